package sqlite

// A file is recognised by its application_id, "flog" in ASCII, and its format by its
// user_version.
const (
	applicationID = 0x666c6f67
	formatVersion = 2
)

// schema is what a new file gets.
//
// An event's rowid is its run's key and its seq, rk<<32 | seq. So the events of a run lie
// side by side in order, no index is needed beside the table, and an insert of a seq that
// is there already fails. Keys are never used again (AUTOINCREMENT), so rows of a dropped
// run that are not erased yet are never mistaken for those of its next life.
//
// Small columns come before large ones, which SQLite stores on pages of their own:
// reading a header touches no state.
//
// An append writes one row of events and, by itself, nothing else. The statement is a
// compare-and-set: the rowid must be free, the one before it taken, and the run's row as
// expected. Which event of a run is the newest is read from the table.
//
// When many runs are written at once, the events of one commit are written side by side
// into bodies. A few bytes for each, which say where the event is, are written into
// recent: a page that gets the next event of one run at a time would be written, and
// split, far more often than it is filled. From recent they are moved to events, 1,024 at
// a time. So a commit of 64 events of 500 bytes, of 64 runs, writes 15 pages of bodies and
// about 3 of recent, which never has more than 5, instead of 64 of events; moving them
// adds one page of events for 16 such events. A change that is not an append first moves
// its run's events, so only readers and the guards of appends need to know of recent. An
// event is in one of the two tables, and neither table's events need be the newer.
//
// Runs are listed newest first by an index on place, the time of their last event as it
// was up to a second ago: an index on the last event itself would make every event write
// pages of that index and of runs.
//
// Entries have their key in the table's own tree (WITHOUT ROWID), so that setting one
// writes one page. A value of more than a kilobyte goes to pages of its own.
const schema = `
CREATE TABLE runs (
	rk      INTEGER PRIMARY KEY AUTOINCREMENT,
	run     TEXT    NOT NULL UNIQUE,
	changes INTEGER NOT NULL, -- how often the row changed: rk<<32 | changes is the revision
	place   INTEGER NOT NULL, -- recency when the run was last placed, by which it is listed
	class   INTEGER NOT NULL, -- a number by which it is listed, such as its status
	recency INTEGER NOT NULL, -- of the last event when the row was written, in nanoseconds since 1970
	tail    INTEGER NOT NULL, -- events with a smaller seq are dead here
	suite   INTEGER NOT NULL, -- of hash and cipher
	sum     INTEGER NOT NULL,
	life    BLOB    NOT NULL, -- 16 bytes that name this existence of the run
	head    BLOB    NOT NULL  -- what events do not say
);
CREATE INDEX runs_by_place ON runs (place, run);
CREATE INDEX runs_by_class ON runs (class, place, run);

CREATE TABLE events (
	id       INTEGER PRIMARY KEY, -- rk<<32 | seq
	body     INTEGER NOT NULL,    -- 0: the rest is here; else in bodies, and null here
	encoding INTEGER,             -- of state: see the view history
	tip      INTEGER,             -- how many seqs back the newest recoverable event of the run is
	meta     BLOB,                -- what else is said of the event: see record.go
	header   TEXT,                -- JSON; a BLOB if the flags in meta say that it is not text
	state    BLOB
);
CREATE TABLE recent (
	id   INTEGER PRIMARY KEY, -- as in events
	body INTEGER NOT NULL
);
CREATE TABLE bodies (
	n        INTEGER PRIMARY KEY,
	encoding INTEGER NOT NULL,
	tip      INTEGER NOT NULL,
	meta     BLOB    NOT NULL,
	header   TEXT    NOT NULL,
	state    BLOB
);

CREATE TABLE segments (
	id    INTEGER PRIMARY KEY AUTOINCREMENT,
	rk    INTEGER NOT NULL,
	first INTEGER NOT NULL,
	last  INTEGER NOT NULL,
	live  INTEGER NOT NULL, -- 0: retired, to be erased
	"index" BLOB  NOT NULL, -- of its events, without their states
	data  BLOB    NOT NULL  -- the states
);
CREATE INDEX segments_by_first ON segments (rk, first);

CREATE TABLE entries (
	rk    INTEGER NOT NULL,
	key   BLOB    NOT NULL,
	value BLOB    NOT NULL,
	PRIMARY KEY (rk, key)
) WITHOUT ROWID;

CREATE TABLE slots (
	rk      INTEGER NOT NULL, -- 0: of the store
	key     TEXT    NOT NULL,
	version INTEGER NOT NULL, -- from slot_version
	set_at  INTEGER NOT NULL, -- in nanoseconds since 1970
	expires INTEGER NOT NULL, -- in nanoseconds since 1970; 0: never
	value   BLOB    NOT NULL,
	PRIMARY KEY (rk, key)
) WITHOUT ROWID;
CREATE TABLE slot_version (
	id   INTEGER PRIMARY KEY,
	last INTEGER NOT NULL -- the last version that was given to a slot
);
INSERT INTO slot_version VALUES (1, 0);

-- What is to be erased in slices: events of rk below a seq, and with all set the
-- segments, entries and slots of rk as well; or one segment.
CREATE TABLE dead (
	id      INTEGER PRIMARY KEY,
	rk      INTEGER NOT NULL,
	below   INTEGER NOT NULL,
	"all"   INTEGER NOT NULL,
	segment INTEGER NOT NULL
);

-- For people with a SQLite shell: the events that are not in segments.
CREATE VIEW history AS
SELECT run, id & 4294967295                 AS seq,
       json_extract(header, '$.node')       AS node,
       json_extract(header, '$.role')       AS role,
       json_extract(header, '$.at')         AS time,
       CASE encoding WHEN 1 THEN 'plain' WHEN 2 THEN 'zstd' WHEN 3 THEN 'delta'
            WHEN 4 THEN 'delta+zstd' WHEN 5 THEN 'pruned' ELSE 'unknown' END AS encoding,
       json_extract(header, '$.size')       AS size,
       CASE WHEN encoding = 1 AND header IS NOT NULL THEN CAST(state AS TEXT) END AS state
FROM (SELECT run, id, encoding, state, CASE WHEN typeof(header) = 'text' AND json_valid(header) THEN header END AS header
      FROM (SELECT r.run, e.id, ifnull(e.header, b.header) AS header, ifnull(e.encoding, b.encoding) AS encoding, ifnull(e.state, b.state) AS state
            FROM runs r CROSS JOIN events e ON e.id BETWEEN (r.rk << 32) + r.tail AND (r.rk << 32) + 4294967295 LEFT JOIN bodies b ON b.n = e.body
            UNION ALL
            SELECT r.run, e.id, b.header, b.encoding, b.state
            FROM runs r CROSS JOIN recent e ON e.id BETWEEN (r.rk << 32) + r.tail AND (r.rk << 32) + 4294967295 CROSS JOIN bodies b ON b.n = e.body
            ORDER BY 1, 2))
WHERE instr(run, char(0)) = 0;
`
