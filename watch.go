package checkpoint

import (
	"context"
	"iter"

	"github.com/flowlog/checkpoint/log"
)

// WatchOptions choose what to watch.
type WatchOptions = log.WatchOptions

// Watch streams the events of one run, or of all, as they are appended, by whatever
// process, and waits for more. Only an error ends it: ctx.Err() when ctx is done,
// ErrClosed when the store is closed.
//
// Order: by seq within each run, without gaps. Watch waits for a run that doesn't exist.
// If a run is deleted and begun anew, Watch follows it from its new event 1 on and does
// not report the deletion. Another Watch can continue from the last event's
// [Checkpoint.Position]: see WatchOptions.Seen.
//
// Cost: there is no goroutine, and no lock and no transaction while the caller works
// or nothing happens. Every 50 milliseconds, unless the options say otherwise, it
// asks the storage whether anything was written; then it looks at the run, or at the
// runs that had events last. If all runs are followed, some 200 bytes of each are
// kept in memory, and all are listed when the iteration begins, and again every 5
// seconds or more while there is writing.
//
// Errors: those of [EventStore.History] end it, but for a run that was deleted; if
// all runs are followed, a damaged one comes with its error and is left out from
// then on, and the others go on.
func (s *EventStore) Watch(ctx context.Context, opts WatchOptions) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		for ev, err := range s.log.Watch(ctx, opts) {
			var e *Event
			if err == nil {
				e = inHistory(ev)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
