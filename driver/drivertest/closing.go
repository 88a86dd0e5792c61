package drivertest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/flowlog/checkpoint/driver"
)

// closing lets readers and writers work while others close the Backend.
type closing struct {
	t      *tester
	begin  chan struct{} // closed when it is time to close
	closed chan struct{} // closed when a Close has returned
	now    func()        // closes begin
	done   func()        // closes closed
	acked  []uint64      // by writer: the last seq that was acknowledged
}

// closeWaits closes while readers and writers are at work.
func closeWaits(t *tester) {
	rich(t, "a")
	const writers, closers = 4, 2
	c := &closing{t: t, begin: make(chan struct{}), closed: make(chan struct{}), acked: make([]uint64, writers)}
	c.now = sync.OnceFunc(func() { close(c.begin) })
	c.done = sync.OnceFunc(func() { close(c.closed) })
	t.together(writers+len(reads())+closers, func(i int) error {
		switch {
		case i < writers:
			defer c.now()
			return c.write(i)
		case i < writers+len(reads()):
			return c.read(reads()[i-writers])
		}
		<-c.begin
		defer c.done()
		return t.b.Close()
	})
	if t.driver.Reopen != nil {
		c.wantAcked(t.reopen())
	}
}

// until calls do until the Backend is closed. A call that begins after Close has
// returned must find it closed.
func (c *closing) until(name string, do func() error) error {
	for {
		late := false
		select {
		case <-c.closed:
			late = true
		default:
		}
		err := do()
		switch {
		case errors.Is(err, driver.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("%s while another goroutine closes returned the error %w, must be none or ErrClosed", name, err)
		case late:
			return fmt.Errorf("%s after Close had returned was no error, must be ErrClosed", name)
		}
	}
}

// write appends to a run of its own, and gives the sign to close after a while.
func (c *closing) write(writer int) error {
	var revision uint64
	id := fmt.Sprint("run-", writer)
	return c.until("Apply", func() error {
		seq := c.acked[writer] + 1
		change := driver.Change{Run: id, Revision: revision, Append: records(seq, seq, id)}
		if seq%8 == 1 { // the first time, and now and then
			change.Head = head(1, seq)
		}
		results, err := c.t.b.Apply(c.t.ctx, driver.ApplyRequest{Changes: []driver.Change{change}})
		if err != nil {
			return err
		}
		if len(results) != 1 || results[0].Err != nil {
			return fmt.Errorf("(the results %v)", results)
		}
		revision, c.acked[writer] = results[0].Revision, seq
		if seq == 5 {
			c.now()
		}
		return nil
	})
}

func (c *closing) read(r call) error {
	return c.until(r.name, func() error { return r.do(c.t.ctx, c.t.b) })
}

// wantAcked expects what was acknowledged, and nothing that was refused.
func (c *closing) wantAcked(t *tester) {
	for i, last := range c.acked {
		id := fmt.Sprint("run-", i)
		t.wantTail(id, records(1, last, id))
	}
}
