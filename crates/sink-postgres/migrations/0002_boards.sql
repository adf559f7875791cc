-- Which boards each hunt has, so that notices name them; and who was disqualified in what the log
-- no longer holds.

ALTER TABLE hunts
    ADD COLUMN boards json,                 -- definitions besides the built-in ones; NULL: not known
    ADD COLUMN boards_next bigint;          -- control entries from there on are not in them yet

ALTER TABLE disqualified
    ALTER COLUMN since DROP NOT NULL,       -- NULL: before what the log held when the tables began
    ALTER COLUMN reason DROP NOT NULL;
