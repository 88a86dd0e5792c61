package sqlite

import "strings"

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
// An append writes one row of events and nothing else. It is a compare-and-set by
// itself: the rowid must be free, the one before it taken, and the run's row as
// expected. What the newest event of a run is, the table says.
//
// When many runs are written at once, the events of one commit go side by side
// into bodies, and a few bytes each, saying which event is where, into recent: a
// page that holds the next event of one run each time is written, and split, far
// more often than it is filled. From recent they settle in events, 1,024 in one go.
// So a commit of 64 events of 500 bytes, of 64 runs, writes 15 pages of bodies and
// about 3 of recent, which never has more than 5, where it would write 64 of events;
// settling adds one page of events for 16 such events. Whatever is not an append
// settles its run first, so that only readers and the guards of appends know of
// recent. An event is in either of the two, and neither's need be the newer.
//
// Runs are listed by their last event, newest first. An index on that would make
// every event another page to write, so runs are indexed by the minute of their
// last event, which changes rarely, and sorted within it when they are listed.
const schema = `
CREATE TABLE runs (
	rk       INTEGER PRIMARY KEY AUTOINCREMENT,
	run      TEXT    NOT NULL UNIQUE,
	changes  INTEGER NOT NULL, -- how often the row changed: rk<<32 | changes is the revision
	minute   INTEGER NOT NULL, -- of the last event, in minutes since 1970
	recency  INTEGER NOT NULL, -- of the last event when the row was written, in nanoseconds since 1970
	tail     INTEGER NOT NULL, -- events with a smaller seq are dead here
	sum      INTEGER NOT NULL,
	head     TEXT    NOT NULL  -- what events do not say, as JSON
);
CREATE INDEX runs_by_minute ON runs (minute);

CREATE TABLE events (
	id       INTEGER PRIMARY KEY, -- rk<<32 | seq
	body     INTEGER NOT NULL,    -- 0: the rest is here; else in bodies, and null here
	recency  INTEGER,             -- in nanoseconds since 1970; goes forward within a run
	encoding INTEGER,             -- of state: see the view history
	base     INTEGER,             -- seq of the event that a delta is to be applied to
	links    INTEGER,             -- deltas between this state and one stored whole, at most
	bytes    INTEGER,             -- of all states up to this one, as given
	stored   INTEGER,             -- of all headers and states up to this one, as stored
	sum      INTEGER,             -- CRC-32C of all but state
	hash     BLOB,                -- SHA-256, the event's place in the hash chain
	header   TEXT,                -- JSON
	state    BLOB
);
CREATE TABLE recent (
	id   INTEGER PRIMARY KEY, -- as in events
	body INTEGER NOT NULL
);
CREATE TABLE bodies (
	n        INTEGER PRIMARY KEY,
	recency  INTEGER NOT NULL,
	encoding INTEGER NOT NULL,
	base     INTEGER NOT NULL,
	links    INTEGER NOT NULL,
	bytes    INTEGER NOT NULL,
	stored   INTEGER NOT NULL,
	sum      INTEGER NOT NULL,
	hash     BLOB    NOT NULL,
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
SELECT run, id & 4294967295                AS seq,
       json_extract(header, '$.node_id')    AS node,
       json_extract(header, '$.created_at') AS time,
       CASE encoding WHEN 1 THEN 'plain' WHEN 2 THEN 'zstd' WHEN 3 THEN 'delta'
            WHEN 4 THEN 'delta+zstd' WHEN 5 THEN 'pruned' ELSE 'unknown' END AS encoding,
       json_extract(header, '$.size')       AS size,
       CASE encoding WHEN 1 THEN CAST(state AS TEXT) END AS state
FROM (SELECT r.run, e.id, ifnull(e.header, b.header) AS header, ifnull(e.encoding, b.encoding) AS encoding, ifnull(e.state, b.state) AS state
      FROM runs r CROSS JOIN events e ON e.id BETWEEN (r.rk << 32) + r.tail AND (r.rk << 32) + 4294967295 LEFT JOIN bodies b ON b.n = e.body
      UNION ALL
      SELECT r.run, e.id, b.header, b.encoding, b.state
      FROM runs r CROSS JOIN recent e ON e.id BETWEEN (r.rk << 32) + r.tail AND (r.rk << 32) + 4294967295 CROSS JOIN bodies b ON b.n = e.body
      ORDER BY 1, 2)
WHERE instr(run, char(0)) = 0;
`

// The statements of the writer.
const (
	beginSQL    = `BEGIN IMMEDIATE`
	commitSQL   = `COMMIT`
	rollbackSQL = `ROLLBACK`

	insertRunSQL = `INSERT INTO runs (run, changes, minute, recency, tail, sum, head) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT (run) DO NOTHING`
	updateRunSQL = `UPDATE runs SET changes = changes + 1, minute = max(minute, ?4), recency = ?5, tail = ?6, sum = ?7, head = ?8
		WHERE rk = ?1 AND changes = ?2 AND run = ?3 AND (?9 = 0 OR ?9 = max(runs.tail - 1,
			ifnull((SELECT max(id) FROM events WHERE id BETWEEN (?1 << 32) + runs.tail AND (?1 << 32) + 4294967295) & 4294967295, 0),
			ifnull((SELECT max(id) FROM recent WHERE id BETWEEN (?1 << 32) + runs.tail AND (?1 << 32) + 4294967295) & 4294967295, 0)))`
	touchRunSQL  = `UPDATE runs SET minute = ?2 WHERE rk = ?1 AND minute < ?2`
	deleteRunSQL = `DELETE FROM runs WHERE rk = ?1 AND changes = ?2 AND run = ?3`

	// One statement that is an append's compare-and-set: unless the run is as
	// expected, body is null, and OR IGNORE passes over a row with a null where
	// none may be as it does over one whose id is taken. (INSERT … SELECT …
	// WHERE would say it plainer, and take 30 µs more for a temporary table.)
	//
	// Only the id has a number, and all that follows from it is computed: each
	// parameter more takes time, and one with a number is looked up by its name.
	appendEventSQL = `INSERT OR IGNORE INTO events (id, recency, encoding, base, links, bytes, stored, sum, hash, header, state, body)
		VALUES (?1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT 0` + guard + `NOT EXISTS (SELECT 1 FROM recent WHERE id = ?1)))`
	appendRecentSQL = `INSERT OR IGNORE INTO recent (id, body) VALUES (?1, (SELECT ?` + guard + `NOT EXISTS (SELECT 1 FROM events WHERE id = ?1)))`
	guard           = ` FROM runs WHERE rk = ?1 >> 32 AND changes = ? AND run = ? AND
		(tail = ?1 & 4294967295 OR EXISTS (SELECT 1 FROM events WHERE id = ?1 - 1) OR EXISTS (SELECT 1 FROM recent WHERE id = ?1 - 1)) AND `
	insertBodySQL = `INSERT INTO bodies (recency, encoding, base, links, bytes, stored, sum, hash, header, state) VALUES ` + bodyValues
	bodyValues    = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	// To place an event that is sure to fit.
	placeSQL    = `INSERT INTO recent (id, body) VALUES ` + placeValues
	placeValues = `(?, ?)`
	// A number that changes when another connection has written.
	versionSQL = `PRAGMA data_version`

	// All of recent, and what it has of one run.
	settleSQL     = `INSERT INTO events (id, body) SELECT id, body FROM recent`
	settledSQL    = `DELETE FROM recent`
	settleRunSQL  = settleSQL + ofRun
	settledRunSQL = settledSQL + ofRun
	ofRun         = ` WHERE id BETWEEN ?1 << 32 AND (?1 << 32) + 4294967295`

	deleteEventSQL = `DELETE FROM events WHERE id = ?1`
	insertEventSQL = `INSERT INTO events (id, body, recency, encoding, base, links, bytes, stored, sum, hash, header, state)
		VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)`
	deleteBodySQL = `DELETE FROM bodies WHERE n = (SELECT body FROM events WHERE id = ?1)`

	insertSegmentSQL = `INSERT INTO segments (rk, first, last, live, "index", data) VALUES (?, ?, ?, 1, ?, ?)`
	retireSegmentSQL = `UPDATE segments SET live = 0 WHERE id = ? AND rk = ?`
	insertDeadSQL    = `INSERT INTO dead (rk, below, "all", segment) VALUES (?, ?, ?, ?)`

	deadSQL       = `SELECT id, rk, below, "all", segment FROM dead ORDER BY id LIMIT 1`
	purgeSliceSQL = `SELECT max(id) FROM (
			SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM (
				SELECT e.id, 1024 + iif(e.body, 8192 + ifnull(length(b.state), 0), ifnull(length(e.state), 0)) AS size
				FROM events e LEFT JOIN bodies b ON b.n = e.body WHERE e.id >= ?1 AND e.id < ?2 ORDER BY e.id LIMIT ?3)
		) WHERE before < ?4`
	purgeBodiesSQL = `DELETE FROM bodies WHERE n IN (SELECT body FROM events WHERE id BETWEEN ? AND ?)`
	purgeEventsSQL = `DELETE FROM events WHERE id BETWEEN ? AND ?`
)

// manyRows is how many events the statements for many take.
const manyRows = 16

var (
	insertBodiesSQL = insertBodySQL + strings.Repeat(`, `+bodyValues, manyRows-1)
	placeManySQL    = placeSQL + strings.Repeat(`, `+placeValues, manyRows-1)
)

// The statements of readers. A prefix is compared as bytes, since SQLite's length
// of a text ends at a NUL.
const (
	prefixed = `substr(CAST(r.run AS BLOB), 1, length(CAST(?2 AS BLOB))) = CAST(?2 AS BLOB)`

	recordColumns = `ifnull(e.recency, b.recency), ifnull(e.encoding, b.encoding), ifnull(e.base, b.base),
		ifnull(e.links, b.links), ifnull(e.bytes, b.bytes), ifnull(e.stored, b.stored), ifnull(e.sum, b.sum), ifnull(e.hash, b.hash),
		ifnull(e.header, b.header), ifnull(length(e.state), ifnull(length(b.state), 0))`
	recentColumns = `b.recency, b.encoding, b.base, b.links, b.bytes, b.stored, b.sum, b.hash, b.header, ifnull(length(b.state), 0)`

	// The newest event is in recent or, after that, in events.
	headSelect = `SELECT r.rk, r.changes, r.run, max(r.recency, ifnull(ifnull(e.recency, b.recency), 0)) AS at, r.tail, r.sum, r.head,
		ifnull(e.id, p.id), ` + recordColumns + `
		FROM runs r LEFT JOIN recent p
		ON p.id = (SELECT max(id) FROM recent WHERE id BETWEEN (r.rk << 32) + r.tail AND (r.rk << 32) + 4294967295)
		LEFT JOIN events e
		ON e.id = (SELECT max(id) FROM events WHERE id BETWEEN ifnull(p.id, (r.rk << 32) + r.tail) AND (r.rk << 32) + 4294967295)
		LEFT JOIN bodies b ON b.n = ifnull(e.body, p.body) `

	headSQL       = headSelect + `WHERE r.run = ?`
	headsByIDSQL  = headSelect + `WHERE r.run > ?1 AND r.run >= ?2 AND ` + prefixed + ` ORDER BY r.run LIMIT ?3`
	headsByAgeSQL = headSelect + `WHERE r.minute <= ?3 / 60000000000 AND (?1 = '' OR at < ?3 OR at = ?3 AND r.run < ?1) AND ` + prefixed + `
		ORDER BY r.minute DESC, at DESC, r.run DESC LIMIT ?4`

	segmentColumns = `s.id, s.first, s.last, length(s."index") + length(s.data)`
	segmentsSQL    = `SELECT ` + segmentColumns + ` FROM runs r JOIN segments s ON s.rk = r.rk WHERE r.run = ? AND s.live ORDER BY s.first`
	segmentFrom    = ` FROM runs r JOIN segments s ON s.rk = r.rk WHERE r.run = ? AND s.id = ? AND s.live`
	segmentSQL     = `SELECT ` + segmentColumns + `, s."index", s.data` + segmentFrom
	indexSQL       = `SELECT ` + segmentColumns + `, s."index", NULL` + segmentFrom
)

// recordsSQL returns the statement for a page of records: events and recent,
// merged as they are read.
func recordsSQL(states, reverse bool) string {
	const of = ` b ON b.n = e.body WHERE r.run = ?1 AND e.id BETWEEN (r.rk << 32) + max(?2, r.tail) AND (r.rk << 32) + ?3`
	settled, recent := recordColumns, recentColumns
	if states {
		settled, recent = settled+`, ifnull(e.state, b.state)`, recent+`, b.state`
	}
	order := ` ORDER BY 1 `
	if reverse {
		order += `DESC `
	}
	return `SELECT e.id, ` + settled + ` FROM runs r CROSS JOIN events e LEFT JOIN bodies` + of +
		` UNION ALL SELECT e.id, ` + recent + ` FROM runs r CROSS JOIN recent e CROSS JOIN bodies` + of + order + `LIMIT ?4`
}
