package checkpoint

import (
	"context"

	"github.com/flowlog/checkpoint/compaction"
)

// CompactOptions say what Compact does; CompactReport says what it did.
type (
	CompactOptions  = compaction.Options
	CompactReport   = compaction.Report
	CompactProgress = compaction.Progress
)

// The steps that CompactProgress tells of, in order.
const (
	CompactWaiting    = compaction.Waiting  // for another process that compacts
	CompactChecking   = compaction.Checking // whether the file is whole
	CompactSealing    = compaction.Sealing
	CompactPurging    = compaction.Purging
	CompactReclaiming = compaction.Reclaiming
)

// CompactLease is how long a process that compacted and was killed is waited for, at
// most.
const CompactLease = compaction.LeaseTime

// Compact seals runs that have had no event for opts.Idle, erases what that
// replaced and gives the disk space back, now rather than in the background. Nothing
// is lost: every checkpoint answers as before. Saving and loading go on meanwhile.
//
// ctx stops it between two steps, with what was reached kept. It waits while
// another process compacts the same file.
//
// It begins by looking whether the file is whole, and does nothing if a page of the
// database's own trees is damaged: to erase from them might take what can still be
// read. That is ErrCorrupt. A run in which something is damaged is passed over.
func (s *EventStore) Compact(ctx context.Context, opts CompactOptions) (CompactReport, error) {
	return compaction.Compact(ctx, s.log, opts)
}

// Space returns what the store's file takes on disk, and how much of that is free
// for use again, in bytes; zeros for a store in memory.
func (s *EventStore) Space(ctx context.Context) (size, free int64, err error) {
	return s.log.Space(ctx)
}
