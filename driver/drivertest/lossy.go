package drivertest

import (
	"context"
	"errors"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// Loss says what becomes of an Apply whose answer is lost.
type Loss int

// The losses.
const (
	// Answered loses nothing.
	Answered Loss = iota
	// Unmade makes none of the changes.
	Unmade
	// Half makes the first half of the changes, rounded down, and none of the others. A
	// driver that can't be made to do so makes all or none.
	Half
	// Made makes all changes.
	Made
	// Late makes all changes, but only just before the next Apply, or never if there is
	// none. A driver that can't be made to do so makes none.
	Late
)

// errLost is what the LostErrors of Lossy wrap.
var errLost = errors.New("drivertest: the connection broke")

// Lossy returns a Backend that loses answers of b, as a network would: next is called for
// each Apply and says what becomes of it. A lost answer is a [driver.LostError]. Where b
// itself returns an error, that is the answer. next may be called from several
// goroutines, one at a time.
//
// The Backend has none of the optional interfaces of b.
func Lossy(b driver.Backend, next func() Loss) driver.Backend {
	return &lossy{Backend: b, next: next}
}

type lossy struct {
	driver.Backend

	mu   sync.Mutex // guards those below; held while late changes are made
	next func() Loss
	late [][]driver.Change // still to be made, in order
}

// Apply implements [driver.Backend].
func (l *lossy) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &driver.NotAppliedError{Err: err}
	}
	loss, err := l.begin(ctx, req)
	if err != nil {
		return nil, err
	}
	switch loss {
	case Answered:
		return l.Backend.Apply(ctx, req)
	case Unmade, Late:
		req.Changes = nil
	case Half:
		req.Changes = req.Changes[:len(req.Changes)/2]
	}
	if len(req.Changes) > 0 {
		if _, err := l.Backend.Apply(ctx, req); err != nil {
			return nil, err
		}
	}
	return nil, &driver.LostError{Err: errLost}
}

// begin makes late changes, and notes those of req if they are to be late.
func (l *lossy) begin(ctx context.Context, req driver.ApplyRequest) (Loss, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.late) > 0 {
		if _, err := l.Backend.Apply(context.WithoutCancel(ctx), driver.ApplyRequest{Changes: l.late[0]}); err != nil {
			return Answered, err
		}
		l.late = l.late[1:]
	}
	loss := l.next()
	if loss == Late {
		l.late = append(l.late, cloneChanges(req.Changes))
	}
	return loss, nil
}
