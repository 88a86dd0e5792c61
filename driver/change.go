package driver

// ApplyRequest holds the changes to make in one commit.
type ApplyRequest struct {
	// Changes has at most one change for each run.
	Changes []Change
}

// Change is what Apply does to one run.
type Change struct {
	Run string
	// Revision is the revision that the run must have, 0 for a run that must not exist.
	Revision uint64
	// Last, if not 0, is the seq that the run's last event must have. A change that was
	// planned from the whole contents of a run needs it, since an append alone
	// doesn't change the revision.
	Last uint64
	// Head, if not nil, replaces the run's row, which gets a new revision. Its Run,
	// Revision, Place, Class, Last and Tip are ignored. It may come alone. A new run, and
	// Rewrite, Add and Retire, need it.
	Head *Head
	// Class, if not nil, is the run's class from now on. Without it a new run has
	// class 0. It does not change the revision, and it needs a Head or an Append.
	Class *uint8
	// Append adds records. The first one's seq must follow that of the run's last event,
	// which is a record or in a segment.
	Append []Record
	// Rewrite replaces records of the tail that have the same seq.
	Rewrite []Record
	// Add puts segments in force; their IDs are assigned by the backend.
	Add []Segment
	// Retire takes segments of the run out of force, by ID and First. A segment that is
	// not the run's is skipped.
	Retire []Segment
	// Remove removes entries. It is done before Put.
	Remove []EntryRange
	// Put sets entries, each key once. Remove and Put need a Head or an Append, and do
	// not change the revision.
	Put []Entry
	// Drop removes the run with all its records, segments, entries and slots. All other
	// fields except Run, Revision and Last are then ignored.
	Drop bool
}

// Result is the outcome of a Change.
type Result struct {
	// Err is nil for a change that was made. It is ErrConflict if the change expected
	// another revision or another last event. Any other error says why this one change
	// could not be made.
	Err error
	// With ErrConflict, Head is the head that the change conflicts with, with Last and
	// without Tip. It is nil if there is no such run, or if the backend left it out
	// because a call of Head would cost less.
	Head *Head
	// Revision is the run's revision after the change. It is new if the change had a
	// Head.
	Revision uint64
	// Added lists the IDs of the segments of Change.Add, in order.
	Added []uint64
}
