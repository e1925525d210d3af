"""gatekeeper: what only Swift itself may say, no client says."""

from __future__ import annotations

from functional.object_cases.notation import GET, HEAD, POST, PUT, case

CASES = (
    case(
        "internal headers of an object are not stored",
        PUT(
            body="x",
            X_Object_Sysmeta_A="1",
            X_Object_Transient_Sysmeta_A="1",
            X_Backend_Container_Update_Override_Etag="forged",
            X_Object_Meta_A="1",
        ).gives(201),
        HEAD().gives(200, X_Object_Meta_A="1", X_Object_Sysmeta_A=None, X_Object_Transient_Sysmeta_A=None),
        GET("{c}?format=json&prefix={slug}").gives(200),
    ),
    case(
        "internal headers of a container are not stored",
        PUT("{own}", X_Container_Sysmeta_A="1", X_Container_Meta_A="1").gives(201),
        POST("{own}", X_Container_Sysmeta_B="1", X_Backend_No_Timestamp_Update="true").gives(204),
        HEAD("{own}").gives(204, X_Container_Meta_A="1", X_Container_Sysmeta_A=None, X_Container_Sysmeta_B=None),
    ),
    case(
        "updates cannot be sent elsewhere",
        PUT(
            body="x",
            X_Container_Host="127.0.0.1:1",
            X_Container_Device="d1",
            X_Container_Partition="0",
            X_Delete_At_Host="127.0.0.1:1",
            X_Backend_Container_Path="AUTH_test/other",
        ).gives(201),
        HEAD().gives(200, Content_Length="1"),
    ),
    case(
        "a policy cannot be chosen by its index",
        PUT(body="x", X_Backend_Storage_Policy_Index="1").gives(201),
        GET(X_Backend_Storage_Policy_Index="1").gives(200, "x"),
    ),
    case(
        "the time of a change cannot be chosen",
        PUT(body="x", X_Timestamp="1.00000").gives(201),
        PUT(body="y", X_Timestamp="1.00000").gives(201),
        GET().gives(200, "y"),
    ),
    case(
        "reserved names stay hidden",
        PUT("{c}/%00a", body="x", X_Backend_Allow_Reserved_Names="true").gives(412, "Invalid UTF8 or contains NULL"),
        GET("{c}/%00a", X_Backend_Allow_Reserved_Names="true", X_Allow_Reserved_Names="true").gives(
            412, "Invalid UTF8 or contains NULL"
        ),
    ),
)
