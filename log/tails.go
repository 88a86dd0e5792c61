package log

import (
	"context"
	"iter"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// Tail is the unsealed part of a run: the events that have their own records.
type Tail struct {
	Run    string
	Events uint64
	Bytes  int64     // of headers and states, as they are stored
	At     time.Time // when the last event came
	// Placed orders the tails. It is less than a second before At.
	Placed time.Time
}

// Tails streams the tails that have events, by Placed, newest first. A run whose head is
// damaged comes with its error, and the iteration continues; any other error ends it.
// Bounds are those of [Log.Runs].
func (l *Log) Tails(ctx context.Context) iter.Seq2[Tail, error] {
	return func(yield func(Tail, error) bool) {
		for h, err := range l.heads(ctx, driver.HeadsRequest{Newest: true, Limit: pageHeaders}) {
			if err != nil {
				yield(Tail{}, err)
				return
			}
			run, err := parseHead(&h)
			if err == nil && run.staged() {
				continue
			}
			t := Tail{Run: h.Run, At: time.Unix(0, int64(h.Recency)), Placed: time.Unix(0, int64(h.Place)), Bytes: run.tailBytes()}
			if err == nil {
				err, t.Events = run.lastErr, run.Unsealed()
			}
			if (err != nil || t.Events > 0) && !yield(t, err) {
				return
			}
		}
	}
}
