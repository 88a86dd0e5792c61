package log

import "time"

// WatchOptions choose what to watch. The zero value is every event of every run that
// is appended from now on.
type WatchOptions struct {
	// Run is the run to follow; "" means all.
	Run string
	// From is the first seq wanted, of each run that is followed: 1 for all that is
	// there and all that comes. 0 means only what is appended after the iteration began.
	From uint64
	// HeadersOnly leaves the states unread.
	HeadersOnly bool
	// Every is how often to look whether something was written. Default 50 ms.
	Every time.Duration
}
