-- Everything that the sink fills. Names are found through search_path, which is the sink's schema.
-- Texts are compared byte by byte: as fast as it gets, and the same on every machine.

-- How far each stream of the log has been taken in; written with the rows, in one transaction.
CREATE TABLE streams (
    shard integer PRIMARY KEY,              -- 65535 is the control stream
    next_sequence bigint NOT NULL,          -- the first record that is not in the tables yet
    chain bytea NOT NULL,                   -- the log's hash chain up to there
    last_time timestamptz NOT NULL,         -- of the last batch
    players_seeded bigint NOT NULL          -- numbers below it were in players from the start
) WITH (fillfactor = 50);

-- One row.
CREATE TABLE progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    windows_from timestamptz NOT NULL,        -- windows that start earlier are not in leaderboard_1s
    windows_final_until timestamptz NOT NULL, -- those that end by then are, and do not change
    refreshes bigint NOT NULL                 -- counts transactions that changed what boards show
) WITH (fillfactor = 50);

-- Stretches of the log that were gone before they could be taken in.
CREATE TABLE gaps (
    shard integer NOT NULL,
    from_sequence bigint NOT NULL,
    until_sequence bigint NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, from_sequence)
);

CREATE TABLE hunts (
    number bigint PRIMARY KEY,
    hunt text COLLATE "C" NOT NULL
);

-- A stream's numbers for players; an erased player has no id.
CREATE TABLE players (
    shard integer NOT NULL,
    number bigint NOT NULL,
    player_id text COLLATE "C",
    PRIMARY KEY (shard, number)
);

CREATE TABLE events (
    ts timestamptz NOT NULL,                -- when huntcore took it
    shard integer NOT NULL,
    sequence bigint NOT NULL,
    hunt text COLLATE "C" NOT NULL,
    player_id text COLLATE "C",             -- NULL: erased
    event_id text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    score bigint NOT NULL,
    sent_at timestamptz,                    -- the sender's own time
    payload json,
    PRIMARY KEY (ts, shard, sequence)
) PARTITION BY RANGE (ts);

CREATE TABLE claims (
    claimed_at timestamptz NOT NULL,
    shard integer NOT NULL,
    sequence bigint NOT NULL,
    hunt text COLLATE "C" NOT NULL,
    round bigint NOT NULL,
    tile bigint NOT NULL,
    player_id text COLLATE "C",
    points bigint NOT NULL,
    voided_at timestamptz,                  -- set: its points do not count
    void_reason text,
    PRIMARY KEY (hunt, round, tile, claimed_at)
) PARTITION BY RANGE (claimed_at);

-- The highest score of each player within each second; final windows only.
CREATE TABLE leaderboard_1s (
    window_start timestamptz NOT NULL,
    player_id text COLLATE "C" NOT NULL,
    score bigint NOT NULL,
    hunt text COLLATE "C" NOT NULL,
    reached_at timestamptz NOT NULL,        -- with shard and sequence: who was first goes first
    shard integer NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (window_start, player_id, hunt)
) PARTITION BY RANGE (window_start);

-- All that a top 100 needs, in its order.
CREATE INDEX leaderboard_1s_top ON leaderboard_1s
    (window_start, hunt, score DESC, reached_at, shard, sequence) INCLUDE (player_id);

-- What the windows of boards came to, written by the log once for each window.
CREATE TABLE board_results (
    closed_at timestamptz NOT NULL,
    shard integer NOT NULL,
    sequence bigint NOT NULL,
    hunt text COLLATE "C" NOT NULL,
    board text COLLATE "C" NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    players bigint NOT NULL,                -- how many were on the board
    place integer NOT NULL,
    player_id text COLLATE "C",
    score bigint NOT NULL,
    PRIMARY KEY (hunt, board, window_end, place, closed_at)
) PARTITION BY RANGE (closed_at);

CREATE TABLE corrections (
    corrected_at timestamptz NOT NULL,
    shard integer NOT NULL,
    sequence bigint NOT NULL,
    hunt text COLLATE "C" NOT NULL,
    player_id text COLLATE "C",
    correction text COLLATE "C" NOT NULL,   -- claim-voided, disqualified, reinstated
    round bigint,
    tile bigint,
    points bigint,
    reason text NOT NULL,
    PRIMARY KEY (shard, sequence)
);

-- Who is on no board now.
CREATE TABLE disqualified (
    hunt text COLLATE "C" NOT NULL,
    player_id text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (hunt, player_id)
);

CREATE VIEW v_leaderboard_1s AS
    SELECT window_start, player_id, score, hunt, reached_at, shard, sequence
    FROM leaderboard_1s AS board
    WHERE NOT EXISTS (
        SELECT FROM disqualified AS out
        WHERE out.hunt = board.hunt AND out.player_id = board.player_id);
