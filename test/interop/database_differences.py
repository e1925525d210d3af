"""Where swiftlite answers requests for accounts and containers otherwise than OpenStack Swift on purpose."""

from __future__ import annotations

from interop.known_differences import Difference

SUBJECTS: dict[str, tuple[Difference, ...]] = {
    "Accounts and containers: refusals": (
        Difference(
            "The type of a refusal in words of its own",
            "`text/plain`.",
            "Often `text/html`, though it is no HTML and repeats what the client sent.",
            "No browser runs what somebody put into a header.",
            (
                "accounts/limits hold *: * 400 content-type",
                "accounts/long names: * 400 content-type",
                "container_life/of 257 letters*: PUT 400 content-type",
                "container_metadata/* all that is kept: POST 400 content-type",
                "container_metadata/policy deprecated: PUT 400 content-type",
                "container_metadata/policy changed: PUT 400 content-type",
                "container_metadata/sync target *: * 400 content-type",
                "container_metadata/sync key no UTF-8: PUT 400 content-type",
                "container_access/*: * 400 content-type",
                "account_access/list 24 refused: POST 400 content-type",
                "listings/v1 *=%*: GET 400 content-type",
            ),
        ),
        Difference(
            "The words of refused access lists and sync targets",
            "Are our own; they say which element is wrong.",
            "Are theirs.",
            "As for every standard body.",
            (
                "container_access/*: * 400 body",
                "container_access/*: * 400 content-length",
                "container_metadata/sync target *: * 400 body",
                "container_metadata/sync target *: * 400 content-length",
            ),
        ),
        Difference(
            "What is wrong is said",
            "DELETE of a container with objects in it, and DELETE of an account with a query, say so in `text/plain`.",
            "The standard body of the status.",
            "The standard words do not tell which rule was broken.",
            ("container_life/not empty: DELETE 409 *", "accounts/DELETE with a query: DELETE 400 *"),
        ),
        Difference(
            "Deleted and missing accounts",
            "404 and 410 have the standard body.",
            "An empty one.",
            "An error says what is wrong.",
            ("accounts/*: * 404 body", "accounts/*: GET 410 body"),
        ),
    ),
    "Accounts and containers: metadata": (
        Difference(
            "Names of metadata beyond ASCII",
            "Any name in UTF-8 is stored and shown as it was sent, only its ASCII letters change case.",
            "Names of which some byte looks like a letter of Latin-1 are refused as no UTF-8.",
            "They are UTF-8.",
            ("accounts/metadata name of UTF-8: *", "container_metadata/* name of UTF-8: *"),
        ),
        Difference(
            "Headers that are no UTF-8",
            "400, and nothing is made.",
            "400, but the container or account has been made.",
            "A refused request must leave nothing behind.",
            (
                "account_access/list 24 refused: HEAD status",
                "container_metadata/sync key no UTF-8: HEAD status",
                "container_access/* 'ÿ': HEAD status",
            ),
        ),
        Difference(
            "Sync targets",
            "A URL is exactly `http://host[:port]/v1/account/container`; else 400.",
            "Any path is taken, so that sync can be led to a storage server on a host that is allowed, which asks nobody "
            "for a token. A target without a container, with an empty one, with an object, or `//` is stored, and fails "
            "later and for ever in the log of the container-sync daemon; `http://[` is 503.",
            "Users must not write past the proxy; who mistypes a target learns of it.",
            (
                "container_metadata/sync target without a container*: *",
                "container_metadata/sync target with an object: *",
                "container_metadata/sync target with a prefix: *",
                "container_metadata/sync target with a user of a good host: *",
                "container_metadata/sync target with an empty container: *",
                "container_metadata/sync target of slashes: *",
                "container_metadata/sync target with a bad bracket: *",
            ),
        ),
    ),
    "Accounts and containers: who may": (
        Difference(
            "Changes that come with a container's sync key",
            "Happen when their `X-Timestamp` says, whatever `shunt_inbound_x_timestamp` is.",
            "Happen now, unless timestamps of all clients are believed.",
            "Sync sends a change more than once: an old one must not overwrite what is newer.",
            ("container_access/the sync key and an old change: *",),
        ),
        Difference(
            "Changes of the far future that come with a container's sync key or a signature of its realm",
            "400 for an `X-Timestamp` of more than a day ahead.",
            "Taken, where the timestamp is believed.",
            "Nobody could delete or replace the object until then.",
            ("container_access/the sync key and the far future: *",),
        ),
        Difference(
            "What a container's sync key or a signature of its realm opens",
            "What sync does: GET, HEAD, PUT and DELETE of the object in the path, without copies and queries; of links "
            "and manifests only they themselves are read. All else is 403.",
            "A signature opens any request: by copies, links and manifests also to what the container's owner may not read. "
            "A key opens writes, with any query.",
            "Neither covers headers or query; who knows one container's key must not reach another account.",
            ("container_access/the sync key and more than sync does: *",),
        ),
        Difference(
            "An empty name in an account's access list",
            "Is nobody.",
            "Is everybody without a token, who gets all rights of the list, to delete the account among them.",
            "A list must not open more than it names.",
            ("account_access/nobody and an empty name: *",),
        ),
        Difference(
            "UTF-8 in an account's access list",
            "Is shown as what it is.",
            "Each of its bytes is shown as a letter, so that a client that writes back what it reads changes the list.",
            "What is read can be written back.",
            ("account_access/list 4: HEAD 204 x-account-access-control",),
        ),
        Difference(
            "Lists in lists in lists, as an account's access list",
            "400 that says what is wrong.",
            "500.",
            "Bad input is the client's fault, and told so.",
            ("account_access/list 26 refused: POST status",),
        ),
        Difference(
            "A Referer that is no URL",
            "Comes from an unknown host.",
            "500.",
            "A browser's mistake is no failure of the server.",
            ("container_access/referrer with a bad bracket: *",),
        ),
    ),
    "Accounts and containers: life": (
        Difference(
            "Containers in a deleted account",
            "PUT is 404.",
            "503, where accounts are made by themselves.",
            "Trying again does not help.",
            ("accounts/deleted: PUT status",),
        ),
    ),
    "Accounts and containers: listings": (
        Difference(
            "Listings with a path",
            "All children of the path.",
            "Loses names: one that is a child's name and a `0` where the child has children, and backwards one that ends with "
            "`/` and has children.",
            "What is not listed is lost to whoever lists to copy or to delete.",
            ("listings/path=*: GET 200 body", "listings/path=*: GET 200 content-length"),
        ),
        Difference(
            "Accept headers",
            "Of media types and of `q` the case does not matter, and `q=0` refuses a type.",
            "Media types and `q` are in lower case or unknown; `q=0` comes last, but is taken.",
            "RFC 9110 8.3.1, 5.6.6 and 12.4.2.",
            ("listings/Accept text/plain;q=0, *: *", "listings/Accept APPLICATION/JSON: *"),
        ),
    ),
    "Accounts and containers: what no single request shows": (
        Difference(
            "Counts of a container from a replica that slept",
            "An account does not take the counts of a report whose PUT and DELETE of the container are older than those "
            "it knows.",
            "It takes the counts of whatever report comes last.",
            "A container server that was away must not bring back what was.",
        ),
        Difference(
            "Emptying a deleted account",
            "The account reaper begins only when every primary replica of the account is there and calls it deleted, asks them again "
            "every 30 s, and stops when one does not; an account with a newer PUT is never emptied, whatever its status.",
            "Each reaper goes by its own replica; one whose status is DELETED is emptied although it was created anew.",
            "A deletion that a replica has not heard of, or that was overtaken, must not cost data; it can wait for replication.",
        ),
        Difference(
            "Objects that only some replicas of a container list",
            "The reaper lists the last replica that answers, and each one that says after it that it is not empty.",
            "It lists the last one only, and counts a 404 as a failure.",
            "An account is emptied in one pass although a replica was lost.",
        ),
        Difference(
            "A container that an account lists and that is nowhere",
            "The reaper takes it out of the account when all its primaries and as many handoffs say 404.",
            "Stays; the account is never reclaimed.",
            "Nobody else can remove the row.",
        ),
        Difference(
            "A container of an account that nobody has",
            "The container updater quarantines it when as many handoffs as there are primaries say 404, too; one that "
            "cannot be asked may have the account.",
            "When all primaries say 404.",
            "Right after a rebalance all replicas of the account may be on handoffs.",
        ),
        Difference(
            "Reports that say nothing new",
            "An account's row keeps its number in the database.",
            "The row is written anew, under a new number, and replicated again.",
            "Nothing has changed that anybody would have to learn.",
        ),
        Difference(
            "Two values of one metadata key that were set at one moment",
            "Replicas that meet settle on the greater one.",
            "Each keeps its own.",
            "They would differ for ever.",
        ),
        Difference(
            "Rows of a replica that no database can keep",
            "They are logged and left out; the rest of the batch is merged.",
            "The batch fails, and is sent again in each pass.",
            "One bad row must not end the replication of a database.",
        ),
        Difference(
            "Older databases",
            "All that their schema lacks is added in one transaction when they are opened, the index of listings too.",
            "Columns are added when they are first written to; a database without the index stays so. When policies are "
            "added, the time of the deletion that the account was last told of is lost.",
            "One shape of database everywhere else in the code; nothing is lost.",
        ),
        Difference(
            "What the auditors of databases look at",
            "Each pass opens every database and sees whether it lies in its place; one pass in 48 (`whole_file_passes`) reads "
            "it whole, and corrects counts and hash that its rows do not bear out.",
            "Each pass reads the row of counts.",
            "Damage that nobody has read yet is found while other replicas are sound; replicas whose hash is wrong never agree.",
        ),
        Difference(
            "A database that stays locked by others",
            "503 after 25 s.",
            "500 after 25 s.",
            "It may work the next time.",
        ),
    ),
}
