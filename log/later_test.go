package log_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
)

// gate lets a test fill the queue while an Apply is under way, and fail the next.
type gate struct {
	log.Backend
	entered, leave chan struct{}
	mu             sync.Mutex
	fail           error
}

func (g *gate) Apply(ctx context.Context, changes []log.Change) ([]log.Result, error) {
	g.entered <- struct{}{}
	<-g.leave
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail != nil {
		return nil, &log.NotAppliedError{Err: g.fail}
	}
	return g.Backend.Apply(ctx, changes)
}

// Of two identical appends in one commit the second may only be told that its
// event is there once it is.
func TestRepeatedAppendIsAnsweredAfterItsCommit(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	g := &gate{Backend: memory.New(), entered: make(chan struct{}), leave: make(chan struct{})}
	l, err := log.Open(g, log.Options{})
	require.NoError(t, err)
	defer l.Close()
	same := log.Append{Header: log.Header{RunID: "run", NodeID: "claim", Kind: log.JSON}, State: []byte("{}"), CheckAfter: true}
	errs := make(chan error, 3)
	other := same
	other.Header.RunID = "other"
	go func() { _, err := l.Append(ctx, other); errs <- err }()
	<-g.entered // the writer is busy: the next two share a commit
	for range 2 {
		go func() { _, err := l.Append(ctx, same); errs <- err }()
	}
	full := errors.New("the disk is full")
	g.mu.Lock()
	g.fail = full
	g.mu.Unlock()
	g.leave <- struct{}{}
	require.ErrorIs(t, <-errs, full)
	// Whether they came as one commit or two, both fail.
	for failed := 0; failed < 2; {
		select {
		case <-g.entered:
			g.leave <- struct{}{}
		case err := <-errs:
			require.ErrorIs(t, err, full)
			failed++
		}
	}
	_, err = l.Run(ctx, "run")
	require.ErrorIs(t, err, log.ErrNotFound)
}
