package driver

// Segment is a sealed, immutable block of the consecutive events First to Last.
type Segment struct {
	// ID is assigned by the backend when the segment is added and is never given to
	// another segment of the same storage.
	ID          uint64
	First, Last uint64
	// Size is the length of Index and Data together in bytes, given also where they
	// are not.
	Size int64
	// Index and Data are what the segment holds: what is said of its events, and their
	// states. They are stored apart, so that the one can be read without the other.
	// Neither is ever empty.
	Index, Data []byte
}

// SegmentRequest asks for the segment that holds an event.
type SegmentRequest struct {
	Run string
	// Seq is the event. Of several segments that seem to hold it, because a row is
	// damaged, the answer is the one with the largest First, then the largest ID.
	Seq uint64
	// Have is the ID of a segment that the caller has read before. If it is the one
	// that holds Seq, it is returned without contents.
	Have uint64
	// IndexOnly leaves out the data, unread.
	IndexOnly bool
}

// SegmentsRequest asks for a page of a run's segments.
type SegmentsRequest struct {
	Run string
	// From and To restrict the answer to segments whose First is from From to To, both
	// included.
	From, To uint64
	// Reverse asks for descending order of First, the largest first.
	Reverse bool
	// Limit is the largest number of segments to return; at least 1.
	Limit int
}
