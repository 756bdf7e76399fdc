-- Where a Stack Exchange dump is copied to before it is mapped: its rows, only the attributes that we use.
-- Reads nothing, writes temporary tables that end with the transaction.

CREATE TEMPORARY TABLE dump_user (
    id      integer PRIMARY KEY,
    created timestamp(3) NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE dump_post (
    id       integer PRIMARY KEY,
    kind     integer NOT NULL,
    parent   integer,
    owner    integer NOT NULL,
    title    text,
    tag      text,
    created  timestamp(3) NOT NULL,
    active   timestamp(3) NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE dump_comment (
    id      integer PRIMARY KEY,
    post    integer NOT NULL,
    author  integer NOT NULL,
    created timestamp(3) NOT NULL
) ON COMMIT DROP;

CREATE TEMPORARY TABLE dump_vote (
    id      integer PRIMARY KEY,
    post    integer NOT NULL,
    kind    integer NOT NULL,
    voter   integer,
    bounty  integer,
    created timestamp(3) NOT NULL
) ON COMMIT DROP;
