package driver

// ApplyRequest is changes to be made by one commit.
type ApplyRequest struct {
	// Changes has at most one change of each run.
	Changes []Change
}

// Change is what Apply does to one run.
type Change struct {
	Run string
	// Revision is the revision that the run must have, 0 for a run that must not exist.
	Revision uint64
	// Last, if not 0, is the seq that the run's last event must have: for a change that
	// was planned on all that the run holds, since an append leaves the revision as it
	// is.
	Last uint64
	// Head, if not nil, replaces the run's row, which gets a new revision; its Run,
	// Revision, Place, Class, Last and Tip are ignored. It may come alone, and is there for a run
	// that is new, and with Rewrite, Add and Retire.
	Head *Head
	// Class, if not nil, is the run's class from now on. A new run has class 0 without
	// it. It does not change the revision, and comes with a Head or an Append.
	Class *uint8
	// Append adds records. The first must have the seq after the run's last event, which
	// is a record or in a segment.
	Append []Record
	// Rewrite replaces records of the tail that have the same seq.
	Rewrite []Record
	// Add puts segments in force; their IDs are assigned by the backend.
	Add []Segment
	// Retire takes segments of the run out of force, of which ID and First are given;
	// others are passed over.
	Retire []Segment
	// Remove removes entries, before Put.
	Remove []EntryRange
	// Put sets entries, each key once. Remove and Put come with a Head or an Append, and
	// do not change the revision.
	Put []Entry
	// Drop removes the run with all its records, segments, entries and slots. The other
	// fields, but for Run, Revision and Last, are then ignored.
	Drop bool
}

// Result is what became of a Change.
type Result struct {
	// Err is nil for a change that was made, ErrConflict for one that expected another
	// revision or another last event, or what kept this one change from being made.
	Err error
	// Head is, beside ErrConflict, the head that spoke against the change, with Last and
	// without Tip. It is nil if there is no such run, or if the backend left it out because
	// it would cost more than asking.
	Head *Head
	// Revision is the run's revision after the change: a new one if the change had a
	// Head.
	Revision uint64
	// Added are the IDs of the segments of Change.Add, in order.
	Added []uint64
}
