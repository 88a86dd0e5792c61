package checkpoint

import (
	"context"

	"github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/log"
)

// What plans are made of, as package compaction defines it, which also has the policies:
// KeepLast, KeepFor, KeepNewestPerNode, KeepLabelled, KeepAll and DropRunsIdle.
type (
	// Policy says which events keep their states, or which runs go.
	Policy = compaction.Policy
	// Plan says what policies drop, event by event, and why all else stays.
	Plan = compaction.Plan
	// PlannedRun is the part of a Plan that is about one run.
	PlannedRun = compaction.PlannedRun
	// PlanOptions say how a plan is run, PlanResult what that did.
	PlanOptions = compaction.RunOptions
	PlanResult  = compaction.Result
)

// CompactPruning is the step that RunPlan tells of while it drops what a plan says.
const CompactPruning = compaction.Pruning

// Plan says what policies would drop of the store as it is now: which events of which
// runs would lose their states and which runs would go, why all others stay, and how
// many bytes that comes to. It reads headers and notes and no state, and changes nothing.
//
// Errors: ErrInvalid for a policy that makes no sense. A damaged run is named in the
// plan and is no error.
func (s *EventStore) Plan(ctx context.Context, policies ...Policy) (Plan, error) {
	return compaction.NewPlan(ctx, s.log, policies...)
}

// RunPlan does what a plan says and nothing else. What was appended since changes
// nothing; a run in which something of the plan was pinned, labelled as kept or deleted
// since is skipped, and the result says so. See [compaction.Plan.Run].
//
// A pruned event keeps its header, is listed as pruned, and asking for its state gives
// ErrPruned with the policies and the time. All other states stay as they are, and every
// run verifies as before.
func (s *EventStore) RunPlan(ctx context.Context, plan Plan, opts PlanOptions) (PlanResult, error) {
	return plan.Run(ctx, s.log, opts)
}

// Marks are the labels and pins that a run and its events were given after they were
// saved; Mark is what was said of one of them.
type (
	Marks = log.Marks
	Mark  = log.Mark
)

// Marks returns the labels and pins of a run and its events that were given after they
// were saved. Labels that were saved are in [Metadata]; [Mark.On] puts both together. It
// costs as much as looking up two runs, and reading the run's notes if it has any.
//
// Errors: ErrNotFound if there is no such run.
func (s *EventStore) Marks(ctx context.Context, runID string) (Marks, error) {
	return s.log.Marks(ctx, runID)
}

// Label gives a label to an event by its seq, or with seq 0 to the run, durably. A label
// of the same key that it has, also one that was saved with it, has this value from then
// on, wherever labels matter; the event itself stays as it was saved.
//
// Errors: ErrNotFound if there is no such run or event; ErrInvalid and ErrTooLarge for a
// key that is empty or a key or value that can't be stored (see [Checkpoint] on ids); and
// those of Save.
func (s *EventStore) Label(ctx context.Context, runID string, seq uint64, key, value string) error {
	return s.log.Label(ctx, runID, seq, key, value)
}

// Unlabel takes a label away, also one that was saved with the event. Where there is none
// it changes nothing. Errors are those of Label.
func (s *EventStore) Unlabel(ctx context.Context, runID string, seq uint64, key string) error {
	return s.log.Unlabel(ctx, runID, seq, key)
}

// Pin keeps the state of an event by its seq, or with seq 0 a run and all its states,
// from every policy; Prune and Delete, which name what they drop, don't ask.
//
// When it returns nil, the state is there and stays, even if a plan that names it is
// being run at that moment, by any process.
//
// Errors: ErrPruned if the state is gone already; else those of Label.
func (s *EventStore) Pin(ctx context.Context, runID string, seq uint64) error {
	return s.log.Pin(ctx, runID, seq)
}

// Unpin takes the pin of an event, or with seq 0 that of the run, away; where there is
// none it changes nothing. Errors are those of Label.
func (s *EventStore) Unpin(ctx context.Context, runID string, seq uint64) error {
	return s.log.Unpin(ctx, runID, seq)
}
