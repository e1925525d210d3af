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
    "Replication, policies, sync and safety: what no single request shows": (
        Difference(
            "Listings right after a change",
            "With `listing_consistency = quorum`, the default, a listing and a HEAD show every change "
            "acknowledged before them (doc/consistency.md).",
            "One replica answers, and what it lacks shows later.",
            "Clients that must wait for a listing lose data when they do not.",
        ),
        Difference(
            "DELETE of a container that one replica takes for empty",
            "The proxy asks a majority first; a replica that refuses changes nothing.",
            "That replica deletes itself, metadata and access lists included, although the client hears 409.",
            "A refused request must not cost anything.",
        ),
        Difference(
            "A database in another's directory",
            "Is quarantined as soon as its server or auditor reads whose it is; REPLICATE refuses it.",
            "Is served as the container or account of that directory.",
            "A backup put back to the wrong place must not show a private container to others.",
        ),
        Difference(
            "How objects are replicated",
            "By SSYNC unless `sync_method = rsync`.",
            "By rsync unless `sync_method = ssync`.",
            "It needs no second daemon, sends only what is missing, and what it has sent is on stable storage.",
        ),
        Difference(
            "Objects on a handoff",
            "Are removed one by one, each under its lock, if enough primaries have just what is there then.",
            "The whole partition is removed after enough calls of rsync have succeeded.",
            "What comes while a partition is sent home must not go with it.",
        ),
        Difference(
            "The hash of a suffix that somebody writes to",
            "Is told, and not remembered.",
            "Is remembered, though the file that is about to show is not in it.",
            "Replication would miss that object until the next change.",
        ),
        Difference(
            "Where SSYNC is not understood",
            "The receiver says `:ERROR: 400`, also for a list or body that breaks off, and reads on for 2 s before it closes.",
            "A request that ends early is taken for the end of the list.",
            "A sender that dies must not be taken for one that has nothing more to say.",
        ),
        Difference(
            "What the auditor of objects looks at",
            "Expired objects as all others; an object whose directory's suffix or partition is not of its hash, and one"
            " whose metadata have no name, are quarantined; a fingerprint (doc/extensions.md) that alone is wrong is"
            " corrected.",
            "Expired objects are passed over, as are those in another suffix or partition; one without a name is an"
            " error in each pass.",
            "What nobody can find or read again is damage; an expired object may still be asked for.",
        ),
        Difference(
            "An auditor under a wrong hash prefix or suffix",
            "Quarantines nothing for its name until it has found one object, or database, in its place.",
            "Quarantines every object.",
            "A mistake in swift.conf must not empty a node.",
        ),
        Difference(
            "A quarantine while somebody writes",
            "Waits for the writer, and leaves all in place where the damaged file was superseded.",
            "The directory is moved with whatever has come into it.",
            "An acknowledged write must not go with what was damaged before it.",
        ),
        Difference(
            "Watchers of the object auditor",
            "Return `quarantine` or `delete`, and touch nothing themselves; a deletion is made only of the object that"
            " was judged. Dark data are looked for with the policies both of the container and of the object.",
            "Raise QuarantineRequest, or remove directories themselves; the container's own policy alone is asked for.",
            "What is judged dark may have been replaced meanwhile, or wait for the reconciler.",
        ),
        Difference(
            "A failed write to a database",
            "Only failed reads and wrong content count as corruption; quotas and full disks are 507.",
            "Each I/O error quarantines the database.",
            "A healthy database must not go because its disk is full.",
        ),
        Difference(
            "Commits of databases",
            "`synchronous = EXTRA`: the directory is synced, too.",
            "`NORMAL`: a power cut can undo the last commit after other replicas have learned of it.",
            "New rows would get the numbers of lost ones, and pass for known.",
        ),
        Difference(
            "Two databases of one identity",
            "A copy that was put in a lost one's place is noticed, and both take new identities; a database "
            "restored from an older copy takes a new one.",
            "The rows of one pass for those of the other.",
            "They would never be sent.",
        ),
        Difference(
            "After a whole file was sent and merged",
            "The receiver counts the sender's rows as known up to the sender's own last row.",
            "Up to the number of the merged file's last row.",
            "That number can be beyond rows that it has not got.",
        ),
        Difference(
            "What keeps a handoff's database",
            "Metadata and timestamps that arrived meanwhile, too.",
            "New rows only.",
            "They would be lost with it.",
        ),
        Difference(
            "Deleted rows",
            "Are forgotten after `reclaim_age` once the replicas have been told of them, whatever replicas say "
            "after twice that time.",
            "After `reclaim_age`, told or not.",
            "A deletion that others have not heard of comes back as an object.",
        ),
        Difference(
            "Counts that an account was told",
            "Are told again until all replicas of the account have taken them; copies on handoffs tell nothing.",
            "A majority is enough; handoffs tell theirs.",
            "The last replica's old counts would replace the new ones.",
        ),
        Difference(
            "A lost database and the policy of its container",
            "A primary without a database has no say.",
            "Its 404 counts as a claim for policy 0.",
            "A lost disk must not move objects.",
        ),
        Difference(
            "An entry of the reconciler's queue whose object is in place",
            "Goes when all primaries of the container agree, or, without a container, when all replicas answer.",
            "Goes by a majority.",
            "A row that was taken out is not queued again.",
        ),
        Difference(
            "What the reconciler deletes",
            "Is dated one offset after the row; POSTs are repeated with their own times.",
            "Three offsets; the copy carries the newest time of the object.",
            "A write in between must win, and a clean-up that is queued must not delete what was moved.",
        ),
        Difference(
            "Expired objects in the wrong policy",
            "Are settled as deletions.",
            "Are tried again for a week.",
            "They are gone for everybody.",
        ),
        Difference(
            "Rows that container sync could not send",
            "The second point never passes them, and they take at most half of `container_time`.",
            "A kill can pass them; old failures can starve new rows.",
            "Each row arrives.",
        ),
    ),
}
