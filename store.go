package checkpoint

import (
	"context"
	"fmt"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/compaction"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
	"github.com/flowlog/checkpoint/sqlite"
)

// Store is what a workflow engine needs of a store of checkpoints. [EventStore]
// implements it and has more.
type Store interface {
	// Save appends a checkpoint to its run. See [EventStore.Save].
	Save(ctx context.Context, checkpoint *Checkpoint) error
	// Load returns the newest checkpoint of a run whose state is there.
	Load(ctx context.Context, runID string) (*Checkpoint, error)
	// List returns all checkpoints of a run whose states are there, oldest first.
	List(runID string) ([]*Checkpoint, error)
	// Delete erases a run.
	Delete(ctx context.Context, runID string) error
	// Close releases the store.
	Close() error
}

// EventStore is an append-only log of checkpoints per run. It is safe for
// concurrent use. Get one from [NewSQLiteStore], [NewBoltStore],
// [NewMemoryStore] or, for any other driver, [Open].
type EventStore struct {
	log       *log.Log
	compactor *compaction.Compactor // nil if there is none
	listLimit int64
}

var _ Store = (*EventStore)(nil)

// Open returns a store on a backend, which it owns from then on, also when Open
// fails.
func Open(backend driver.Backend, opts ...Option) (*EventStore, error) {
	c := newConfig(opts)
	err := c.general()
	if err != nil {
		backend.Close()
		return nil, err
	}
	return open(backend, c)
}

func open(backend driver.Backend, c config) (*EventStore, error) {
	s := &EventStore{listLimit: c.listLimit}
	if !c.dormant && !c.log.ReadOnly {
		s.compactor = compaction.New(c.compact)
		c.log.Grown = s.compactor.Grown
	}
	err := c.background()
	if err == nil {
		s.log, err = log.Open(backend, c.log)
	}
	if err != nil {
		backend.Close()
		return nil, err
	}
	if err := s.Warning(); err != nil {
		c.logger().Warn("flowlog: the store may have lost its last commit", "error", err)
	}
	if s.compactor != nil {
		s.compactor.Start(s.log)
	}
	return s, nil
}

// Warning returns damage that was found when the store was opened, and that opening it does
// not refuse: nil, or an error that satisfies ErrCorrupt. It is logged as well, at level Warn:
// see [WithLogger]. A bbolt file has one if its last commit may be missing; the next write
// removes what shows that.
func (s *EventStore) Warning() error { return s.log.Warning() }

// MemoryStore is a store in memory: for tests and for runs that need not survive
// the process.
type MemoryStore struct{ *EventStore }

// NewMemoryStore returns an empty store in memory. It panics on an option that
// has no meaning for it, such as WithDurability.
func NewMemoryStore(opts ...Option) *MemoryStore {
	s, err := Open(memory.New(), opts...)
	if err != nil {
		panic("checkpoint: " + err.Error())
	}
	return &MemoryStore{s}
}

// SQLiteStore is a store in one SQLite file, which any number of processes may
// use at the same time.
type SQLiteStore struct{ *EventStore }

// NewSQLiteStore opens a SQLite file, making it and its folder if they are
// missing; ":memory:" gives a database in memory. Package sqlite says more about
// the file.
//
// Errors: ErrInvalid for a folder or a file that is not flowlog's;
// ErrUnsupportedVersion for a file of another format; ErrReadOnly for a file that
// can't be written, unless WithReadOnly is given. A file that is refused is not
// changed.
func NewSQLiteStore(path string, opts ...Option) (*SQLiteStore, error) {
	c := newConfig(opts)
	log.Prepare()
	b, err := sqlite.Open(path, c.sqlite)
	if err != nil {
		return nil, err
	}
	s, err := open(b, c)
	if err != nil {
		return nil, err
	}
	return &SQLiteStore{s}, nil
}

// BoltStore is a store in one bbolt file, which one process at a time may use.
type BoltStore struct{ *EventStore }

// NewBoltStore opens a bbolt file, making it and its folder if they are missing.
// Package bolt says more about the file.
//
// Errors: ErrLocked, within a second unless WithBusyTimeout says otherwise, for a
// file that another process has open; else those of [NewSQLiteStore].
func NewBoltStore(path string, opts ...Option) (*BoltStore, error) {
	c := newConfig(opts)
	log.Prepare()
	b, err := bolt.Open(path, c.bolt)
	if err != nil {
		return nil, err
	}
	s, err := open(b, c)
	if err != nil {
		return nil, err
	}
	return &BoltStore{s}, nil
}

// Save appends a checkpoint to its run: nothing is ever overwritten.
//
// Durability: it returns nil only once the event is durable and visible to every reader.
// After [ErrUnknownOutcome] the event may or may not be saved; after any other error
// nothing was saved.
//
// Order: the event's seq is the run's last plus one, even if others save to the run
// meanwhile. The event continues from the one that checkpoint.Seq and Hash name, or with
// Seq 0 from the run's newest recoverable event as the store holds it at that moment. Two
// writers that save with Seq 0 interleave on one line, and each event names its writer.
// Writers that continue from a loaded checkpoint branch visibly. Earlier reads and writes
// of this store make no difference. On return checkpoint.Seq, Hash and Parent are the new
// event's.
//
// Ownership: checkpoint and its state are the caller's again on return.
//
// Errors: ErrInvalid for ids and states that can't be stored; ErrTooLarge; ErrNotFound for
// a Seq that the run doesn't have; ErrConflict for a position of another life of the run,
// for example after the run was deleted and begun anew; ErrReadOnly; ErrClosed;
// ErrLocked; ctx.Err() if ctx was done before the commit began, even while another
// process holds the lock: nothing was saved then. Once a commit has begun, Save waits for
// it.
func (s *EventStore) Save(ctx context.Context, checkpoint *Checkpoint) error {
	_, err := s.Append(ctx, checkpoint)
	return err
}

// AppendOption says more about an Append.
type AppendOption func(*appendConfig)

type appendConfig struct {
	expect  *Position
	begin   bool
	root    bool
	trusted bool
}

// After makes Append fail with ErrConflict unless the event at p is the run's newest,
// whatever its role. The new event continues from it unless its Seq says otherwise. If
// you repeat an identical Append because its answer was lost, that is no conflict: it
// returns the first answer, with Saved.Repeated set.
func After(p Position) AppendOption { return func(c *appendConfig) { c.expect = &p } }

// AfterSeq is After for a seq without a hash. It is compared with the current life of the
// run. AfterSeq(0) is BeginRun.
func AfterSeq(n uint64) AppendOption {
	if n == 0 {
		return BeginRun()
	}
	return After(Position{Seq: n})
}

// BeginRun makes Append fail with ErrConflict if the run exists. It is strict: of two
// equal first events one is refused. So if two processes begin the same run, one
// succeeds.
func BeginRun() AppendOption { return func(c *appendConfig) { c.begin = true } }

// AsRoot makes the event continue from no other event, whatever its Seq says. It begins
// another try in the same run.
func AsRoot() AppendOption { return func(c *appendConfig) { c.root = true } }

// TrustState says that the caller has checked that the state is JSON.
func TrustState() AppendOption { return func(c *appendConfig) { c.trusted = true } }

// Saved says where an event was saved.
type Saved struct {
	Position
	// Parent is the seq of the event that it continues from, 0 for none.
	Parent uint64
	// Repeated says that an earlier try already saved the event.
	Repeated bool
}

// Append is Save with options, and returns where the event was saved.
func (s *EventStore) Append(ctx context.Context, checkpoint *Checkpoint, opts ...AppendOption) (Saved, error) {
	if checkpoint == nil {
		return Saved{}, fmt.Errorf("%w checkpoint: it is nil", ErrInvalid)
	}
	var c appendConfig
	for _, o := range opts {
		o(&c)
	}
	a := log.Append{Header: checkpoint.header(), State: checkpoint.State, From: checkpoint.Position(), Root: c.root, Begin: c.begin, Expect: c.expect}
	if !c.trusted {
		a.Check = checkpoint.checkState
	}
	if c.begin && checkpoint.Seq == 1 && checkpoint.Parent == 0 {
		a.From = Position{} // a first try set it to the event itself
	}
	if c.expect != nil && checkpoint.Seq == c.expect.Seq+1 {
		// A first try set it to the event itself: no event can both follow n directly
		// and continue from n+1.
		a.From, a.Root = Position{Seq: checkpoint.Parent}, checkpoint.Parent == 0
	}
	if a.Root {
		a.From = Position{}
	}
	ev, err := s.log.Append(ctx, a)
	if err != nil {
		return Saved{}, err
	}
	checkpoint.Seq, checkpoint.Hash, checkpoint.Parent = ev.Seq, ev.Hash, ev.Parent
	return Saved{Position: ev.Position(), Parent: ev.Parent, Repeated: ev.Repeated}, nil
}

// Load returns the checkpoint to recover from: the newest that still has its state on the
// run's current line, which is the line of its newest recoverable event. It never returns
// a checkpoint of an abandoned line, a failure or another event with a role. Its cost
// does not depend on the run's length or on the number of failures after the checkpoint.
//
// Errors: ErrNotFound if there is no such run; ErrPruned if no state of the line is left;
// ErrCorrupt if the newest is damaged: then load an earlier one with LoadSeq.
func (s *EventStore) Load(ctx context.Context, runID string) (*Checkpoint, error) {
	return given(s.log.Newest(ctx, runID))
}

// LoadSeq returns one checkpoint of a run by its seq.
//
// Errors: ErrNotFound, ErrPruned, ErrCorrupt.
func (s *EventStore) LoadSeq(ctx context.Context, runID string, seq uint64) (*Checkpoint, error) {
	return given(s.log.At(ctx, runID, seq))
}

// LoadVisit returns the nth checkpoint of a node, counted from 1 by seq over all
// branches, including pruned ones. With n 0 it returns the newest that still has its
// state on the run's current line. Its cost does not depend on n or on the run's length.
//
// Errors: ErrNotFound, ErrPruned, ErrCorrupt.
func (s *EventStore) LoadVisit(ctx context.Context, runID, nodeID string, n int) (*Checkpoint, error) {
	if n == 0 {
		return given(s.log.NodeAt(ctx, runID, nodeID, Position{}))
	}
	return given(s.log.Visit(ctx, runID, nodeID, n, Position{}))
}

// Nodes returns the newest checkpoint of each node that still has its state, by seq and
// without the states. It follows the line that leads to the event at, or the run's
// current line if at is zero. Its cost is the number of nodes, times how often the line
// went back.
//
// Errors: ErrNotFound if there is no such run or event; ErrConflict if at belongs to
// another life of the run; ErrCorrupt.
func (s *EventStore) Nodes(ctx context.Context, runID string, at Position) ([]*Event, error) {
	events, err := s.log.Nodes(ctx, runID, at)
	if err != nil {
		return nil, err
	}
	out := make([]*Event, len(events))
	for i, ev := range events {
		out[i] = inHistory(ev)
	}
	return out, nil
}

// Delete erases a run: no event of it is found from then on, and nothing of it is
// left in the storage when Delete returns nil, but for SQLite's WAL while others
// read: the next Delete clears that; for copies that SQLite may leave within a page
// when it moves rows to another; and for the free pages of a bbolt file, whose
// old bytes stay until they are used again or Compact copies the file. Redact, of any
// events of any run, erases these as well. A run that
// doesn't exist is no error. The same id can be used again and begins at seq 1.
func (s *EventStore) Delete(ctx context.Context, runID string) error {
	return s.log.Delete(ctx, runID)
}

// Prune drops the states of events by seq and keeps their headers: they are
// listed as pruned, the run still verifies, and asking for their state gives
// ErrPruned with reason and time. All other states stay readable. It returns how
// many states were dropped; seqs that are pruned already or don't exist are
// passed over. When it returns nil they are erased, as far as Delete erases.
func (s *EventStore) Prune(ctx context.Context, runID string, seqs []uint64, reason string) (int, error) {
	return s.log.Prune(ctx, runID, seqs, reason)
}

// PruneOf is [EventStore.Prune] for a run as [EventStore.Run] or Runs returned it: it fails
// with ErrConflict if the run was deleted since, and its id used again.
func (s *EventStore) PruneOf(ctx context.Context, run Run, seqs []uint64, reason string) (int, error) {
	return s.log.PruneOf(ctx, run, seqs, reason)
}

// Report is what Verify found out.
type Report = log.Report

// Verify reads a run from its first event to its last and checks every header
// and state against its hash, and the hash chain that links them. What it finds
// wrong is in the report; the error says that it could not look.
func (s *EventStore) Verify(ctx context.Context, runID string) (*Report, error) {
	return s.log.Verify(ctx, runID)
}

// VerifyOptions say more about a verification.
type VerifyOptions = log.VerifyOptions

// VerifyWith is Verify with options: with a hash to be found, and with progress.
func (s *EventStore) VerifyWith(ctx context.Context, runID string, opts VerifyOptions) (*Report, error) {
	return s.log.VerifyWith(ctx, runID, opts)
}

// MaxState returns the largest state that the store accepts, in bytes.
func (s *EventStore) MaxState() int64 { return s.log.MaxState() }

// Close waits for the save under way, and for the step at hand in the background,
// and releases the store. A second Close does nothing; all else gives ErrClosed
// from then on.
func (s *EventStore) Close() error {
	if s.compactor != nil {
		s.compactor.Close()
	}
	return s.log.Close()
}

func given(ev *log.Event, err error) (*Checkpoint, error) {
	if err != nil {
		return nil, err
	}
	c := fromEvent(ev)
	return &c, nil
}
