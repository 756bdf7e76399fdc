-- What becomes of each staged row: the application table that it goes to, or the reason why it goes nowhere.
-- Exactly one of (becomes, unused) is set on every row, so that the report adds up by construction.
-- Reads the dump_* tables, writes temporary tables that end with the transaction.

ANALYZE dump_user, dump_post, dump_comment, dump_vote;

CREATE TEMPORARY TABLE post ON COMMIT DROP AS
SELECT
    p.*,
    CASE
        WHEN p.kind = 1 THEN 'question'
        WHEN p.kind = 2 AND q.id IS NOT NULL THEN 'answer'
    END AS becomes,
    CASE
        WHEN p.kind = 1 OR p.kind = 2 AND q.id IS NOT NULL THEN NULL
        WHEN p.kind = 2 THEN 'an answer whose question is not in the dump'
        WHEN p.kind = 3 THEN 'an orphaned tag wiki'
        WHEN p.kind = 4 THEN 'a tag wiki''s excerpt'
        WHEN p.kind = 5 THEN 'a tag wiki'
        ELSE 'of post type ' || p.kind
    END AS unused
FROM dump_post AS p
LEFT JOIN dump_post AS q ON q.id = p.parent AND q.kind = 1;

CREATE UNIQUE INDEX ON post (id);
ANALYZE post;

CREATE TEMPORARY TABLE comment ON COMMIT DROP AS
SELECT
    c.*,
    CASE p.becomes WHEN 'question' THEN 'Comment' WHEN 'answer' THEN 'CommentV2' END AS becomes,
    CASE
        WHEN p.id IS NULL THEN 'on a post that is not in the dump'
        WHEN p.becomes IS NULL THEN 'on a post that is not used'
    END AS unused
FROM dump_comment AS c
LEFT JOIN post AS p ON p.id = c.post;

-- Vote types: 2 up, 3 down, 5 favourite, 8 bounty start.
CREATE TEMPORARY TABLE vote ON COMMIT DROP AS
SELECT
    classified.*,
    CASE
        WHEN becomes IS NOT NULL THEN NULL
        WHEN on_kind IS NULL THEN 'on a post that is not in the dump'
        WHEN on_becomes IS NULL THEN 'on a post that is not used'
        WHEN kind = 5 THEN 'a favourite without a user'
        WHEN kind = 8 AND on_becomes = 'answer' THEN 'a bounty on an answer'
        WHEN kind = 8 THEN 'a bounty without a user or an amount'
        ELSE CASE kind
            WHEN 1 THEN 'an acceptance'
            WHEN 4 THEN 'a flag as offensive'
            WHEN 6 THEN 'a vote to close'
            WHEN 7 THEN 'a vote to reopen'
            WHEN 9 THEN 'the end of a bounty'
            WHEN 10 THEN 'a vote to delete'
            WHEN 11 THEN 'a vote to undelete'
            WHEN 12 THEN 'a flag as spam'
            WHEN 15 THEN 'a moderator''s review'
            WHEN 16 THEN 'the approval of an edit'
            ELSE 'of vote type ' || kind
        END
    END AS unused
FROM (
    SELECT
        v.*,
        p.kind AS on_kind,
        p.becomes AS on_becomes,
        p.parent AS on_parent,
        p.owner AS on_owner,
        CASE
            WHEN v.kind IN (2, 3) AND p.becomes = 'answer' THEN 'ResourceReview'
            WHEN v.kind IN (2, 3) AND p.becomes = 'question' THEN 'ImageReaction'
            WHEN v.kind = 5 AND p.becomes IS NOT NULL AND v.voter IS NOT NULL THEN 'CollectionItem'
            WHEN v.kind = 8 AND p.becomes = 'question' AND v.voter IS NOT NULL AND v.bounty IS NOT NULL
                THEN 'BuzzTip'
        END AS becomes
    FROM dump_vote AS v
    LEFT JOIN post AS p ON p.id = v.post
) AS classified;

ANALYZE comment, vote;
