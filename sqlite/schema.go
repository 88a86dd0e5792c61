package sqlite

// The file is told from other SQLite files by its application_id, "flog" in
// ASCII, and its format by user_version.
const (
	applicationID = 0x666c6f67
	formatVersion = 1
)

// schema is what a new file gets.
//
// An event's rowid is its run's key and its seq, rk<<32 | seq. So the events of a
// run lie side by side in order, no index is needed beside the table, and an
// insert of a seq that is there already fails. Keys are never used again
// (AUTOINCREMENT), so rows of a dropped run that wait for their erasure are never
// taken for those of its next life.
//
// Small columns come before large ones, which SQLite stores on pages of their
// own: reading a header touches no state.
//
// A run's row changes with every event. An index on recency would make that
// another page per event, so runs are indexed by the minute of their last event,
// which changes rarely, and sorted within it when they are listed.
const schema = `
CREATE TABLE runs (
	rk       INTEGER PRIMARY KEY AUTOINCREMENT,
	run      TEXT    NOT NULL UNIQUE,
	changes  INTEGER NOT NULL, -- how often the row changed: rk<<32 | changes is the revision
	minute   INTEGER NOT NULL, -- recency in whole minutes
	recency  INTEGER NOT NULL, -- of the last event, in nanoseconds since 1970
	tail     INTEGER NOT NULL, -- events with a smaller seq are dead here
	sum      INTEGER NOT NULL,
	head     TEXT    NOT NULL  -- the summary, as JSON
);
CREATE INDEX runs_by_minute ON runs (minute);

CREATE TABLE events (
	id       INTEGER PRIMARY KEY, -- rk<<32 | seq
	encoding INTEGER NOT NULL,    -- of state: see the view history
	base     INTEGER NOT NULL,    -- seq of the event that a delta is to be applied to
	links    INTEGER NOT NULL,    -- deltas between this state and one stored whole, at most
	sum      INTEGER NOT NULL,    -- CRC-32C of all but state
	hash     BLOB    NOT NULL,    -- SHA-256, the event's place in the hash chain
	header   TEXT    NOT NULL,    -- JSON
	state    BLOB
);

CREATE TABLE segments (
	id    INTEGER PRIMARY KEY AUTOINCREMENT,
	rk    INTEGER NOT NULL,
	first INTEGER NOT NULL,
	last  INTEGER NOT NULL,
	live  INTEGER NOT NULL, -- 0: retired, to be erased
	data  BLOB    NOT NULL
);
CREATE INDEX segments_by_run ON segments (rk, first);

-- What is to be erased in slices: events of rk below a seq, and with all set
-- the segments of rk as well; or one segment.
CREATE TABLE dead (
	id      INTEGER PRIMARY KEY,
	rk      INTEGER NOT NULL,
	below   INTEGER NOT NULL,
	"all"   INTEGER NOT NULL,
	segment INTEGER NOT NULL
);

-- For people with a SQLite shell: the events that are not in segments.
CREATE VIEW history AS
SELECT r.run                                     AS run,
       e.id & 4294967295                         AS seq,
       json_extract(e.header, '$.node_id')       AS node,
       json_extract(e.header, '$.created_at')    AS time,
       CASE e.encoding WHEN 1 THEN 'plain' WHEN 2 THEN 'zstd' WHEN 3 THEN 'delta'
                       WHEN 4 THEN 'delta+zstd' WHEN 5 THEN 'pruned' ELSE 'unknown' END AS encoding,
       json_extract(e.header, '$.size')          AS size,
       CASE e.encoding WHEN 1 THEN CAST(e.state AS TEXT) END AS state
FROM runs r JOIN events e ON e.id BETWEEN (r.rk << 32) + r.tail AND (r.rk << 32) + 4294967295
WHERE instr(r.run, char(0)) = 0;
`

// The statements of the writer.
const (
	beginSQL    = `BEGIN IMMEDIATE`
	commitSQL   = `COMMIT`
	rollbackSQL = `ROLLBACK`

	insertRunSQL = `INSERT INTO runs (run, changes, minute, recency, tail, sum, head) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT (run) DO NOTHING`
	// Most changes of a run fall into the minute of the one before, and need
	// not touch the index.
	updateRunSQL = `UPDATE runs SET changes = changes + 1, recency = ?5, tail = ?6, sum = ?7, head = ?8
		WHERE rk = ?1 AND changes = ?2 AND run = ?3 AND minute = ?4`
	moveRunSQL = `UPDATE runs SET changes = changes + 1, minute = ?4, recency = ?5, tail = ?6, sum = ?7, head = ?8
		WHERE rk = ?1 AND changes = ?2 AND run = ?3`
	deleteRunSQL = `DELETE FROM runs WHERE rk = ?1 AND changes = ?2 AND run = ?3`

	insertEventSQL  = `INSERT INTO events (id, encoding, base, links, sum, hash, header, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	replaceEventSQL = `UPDATE events SET encoding = ?2, base = ?3, links = ?4, sum = ?5, hash = ?6, header = ?7, state = ?8 WHERE id = ?1`

	insertSegmentSQL = `INSERT INTO segments (rk, first, last, live, data) VALUES (?, ?, ?, 1, ?)`
	retireSegmentSQL = `UPDATE segments SET live = 0 WHERE id = ? AND rk = ?`
	insertDeadSQL    = `INSERT INTO dead (rk, below, "all", segment) VALUES (?, ?, ?, ?)`
)

// The statements of readers.
const (
	headColumns = `rk, changes, run, recency, tail, sum, head`

	headSQL       = `SELECT ` + headColumns + ` FROM runs WHERE run = ?`
	headsByIDSQL  = `SELECT ` + headColumns + ` FROM runs WHERE run > ?1 AND substr(run, 1, length(?2)) = ?2 ORDER BY run LIMIT ?3`
	headsByAgeSQL = `SELECT ` + headColumns + ` FROM runs
		WHERE minute <= ?1 / 60000000000 AND (recency < ?1 OR recency = ?1 AND run < ?2) AND substr(run, 1, length(?3)) = ?3
		ORDER BY minute DESC, recency DESC, run DESC LIMIT ?4`

	recordColumns = `e.id & 4294967295, e.encoding, e.base, e.links, e.sum, e.hash, e.header, ifnull(length(e.state), 0)`
	recordsFrom   = ` FROM runs r CROSS JOIN events e
		WHERE r.run = ?1 AND e.id BETWEEN (r.rk << 32) + max(?2, r.tail) AND (r.rk << 32) + ?3 ORDER BY e.id `

	segmentColumns = `s.id, s.first, s.last, length(s.data)`
	segmentsSQL    = `SELECT ` + segmentColumns + ` FROM runs r JOIN segments s ON s.rk = r.rk WHERE r.run = ? AND s.live ORDER BY s.first`
	segmentSQL     = `SELECT ` + segmentColumns + `, s.data FROM runs r JOIN segments s ON s.rk = r.rk WHERE r.run = ? AND s.id = ? AND s.live`
)

// recordsSQL returns the statement for a page of records.
func recordsSQL(states, reverse bool) string {
	sql := "SELECT " + recordColumns
	if states {
		sql += ", e.state"
	}
	sql += recordsFrom
	if reverse {
		sql += "DESC "
	}
	return sql + "LIMIT ?4"
}
