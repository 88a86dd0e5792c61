package driver

// Segment is a sealed, immutable block of the consecutive events First to Last.
type Segment struct {
	// The backend assigns ID when the segment is added, and never reuses it in the same
	// storage.
	ID          uint64
	First, Last uint64
	// Size is the length of Index and Data together in bytes, set even if they are left
	// out.
	Size int64
	// Index and Data are the contents of the segment: Index describes its events, Data
	// holds their states. They are stored apart, so that each can be read without the
	// other. Neither is ever empty.
	Index, Data []byte
}

// SegmentRequest asks for the segment that holds an event.
type SegmentRequest struct {
	Run string
	// Seq is the event. If several segments seem to hold it, because a row is damaged,
	// the answer is the one with the largest First, then the largest ID.
	Seq uint64
	// Have is the ID of a segment that the caller has already read. If that segment holds
	// Seq, it is returned without contents.
	Have uint64
	// IndexOnly leaves out the data, unread.
	IndexOnly bool
}

// SegmentsRequest asks for a page of a run's segments.
type SegmentsRequest struct {
	Run string
	// From and To restrict the answer to segments whose First is between From and To,
	// inclusive.
	From, To uint64
	// Reverse asks for descending order of First, the largest first.
	Reverse bool
	// Limit is the largest number of segments to return; at least 1.
	Limit int
}
