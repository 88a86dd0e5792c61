package sqlite

import "context"

var (
	HeadsSQL   = headsSQL
	EntriesSQL = entriesSQL
	PrefixEnd  = prefixEnd
)

// Statements are those that look for something by a key, but for headsSQL and entriesSQL.
func Statements() map[string]string {
	return map[string]string{
		"head": headSQL, "tip": tipSQL, "segments": segmentsSQL, "segments in reverse": segmentsDownSQL, "segment": segmentSQL,
		"records": recordsUpSQL, "records in reverse": recordsDownSQL,
		"slot": slotSQL, "slot of a run": runSlotSQL, "append": appendEventSQL, "append to recent": appendRecentSQL,
		"update a run": updateRunSQL, "drop a run": deleteRunSQL, "place a run": placeRunSQL, "settle a run": settleRunSQL, "settled": settledRunSQL,
		"put": putEntrySQL, "remove": removeSQL, "remove up": removeUpSQL, "set a slot": setSlotSQL, "drop slots": dropSlotsSQL,
		"delete a body": deleteBodySQL, "retire": retireSegmentSQL, "a segment": aSegmentSQL, "purge bodies": purgeBodiesSQL,
		"purge events": purgeEventsSQL, "purge entries": purgeEntriesSQL,
	}
}

// Pragma reads a setting of the connection that writes.
func (b *Backend) Pragma(ctx context.Context, name string) (value string, err error) {
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	err = b.conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value)
	return value, err
}

// Explain returns the plan of a statement, a line a step.
func (b *Backend) Explain(ctx context.Context, text string, args ...any) (plan []string, err error) {
	rows, err := b.readers.QueryContext(ctx, "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil, err
		}
		plan = append(plan, detail)
	}
	return plan, rows.Err()
}

// Writing reports whether a call writes, or waits for another process to do so.
func (b *Backend) Writing() bool { return len(b.writing) > 0 }

// FailToSyncAgain does what SetSlot does when it is done, and fails.
func (b *Backend) FailToSyncAgain() error {
	b.opts.Durability = "a syntax error"
	b.syncAgain()
	return b.failed
}
