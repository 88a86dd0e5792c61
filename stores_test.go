package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/memory"
	"github.com/flowlog/checkpoint/sqlite"
)

// tester is a *testing.T or a *rapid.T.
type tester interface {
	require.TestingT
	Helper()
	Cleanup(func())
}

// storage is something that stores are opened on, one after another or several
// at the same time.
type storage struct {
	name string
	// path is the file of a storage that has one.
	path string
	open func(t tester, opts ...checkpoint.Option) *checkpoint.EventStore
}

// kinds returns what makes an empty storage each, in an empty folder: of each driver,
// and unless it must be brief SQLite in memory as well.
func kinds() []func(t tester, dir string) storage {
	each := []func(t tester, dir string) storage{inMemory, inSQLite, inBolt}
	if !brief() {
		each = append(each, inSQLiteMemory)
	}
	return each
}

// storages returns an empty storage of each kind.
func storages(t *testing.T) []storage {
	t.Helper()
	var all []storage
	for _, make := range kinds() {
		all = append(all, make(t, t.TempDir()))
	}
	return all
}

func inMemory(t tester, _ string) storage {
	return storage{name: "memory", open: kept(t, memory.New())}
}

func inSQLite(_ tester, dir string) storage {
	path := filepath.Join(dir, "checkpoints.db")
	return storage{name: "sqlite", path: path, open: func(t tester, opts ...checkpoint.Option) *checkpoint.EventStore {
		// The tests with other processes and failing disks are those that need a
		// sync for each save; here it would only take time.
		opts = append(opts, checkpoint.WithDurability(checkpoint.DurabilityNormal))
		s, err := checkpoint.NewSQLiteStore(path, opts...)
		require.NoError(t, err)
		return closing(t, s.EventStore)
	}}
}

func inSQLiteMemory(t tester, _ string) storage {
	b, err := sqlite.Open(":memory:", sqlite.Options{})
	require.NoError(t, err)
	return storage{name: "sqlite in memory", open: kept(t, b)}
}

// inBolt has one handle at a time: the stores share it.
func inBolt(t tester, dir string) storage {
	b, err := bolt.Open(filepath.Join(dir, "checkpoints.db"), bolt.Options{Durability: driver.Off})
	require.NoError(t, err)
	return storage{name: "bolt", open: kept(t, b)}
}

// keptBackend outlives the stores that are opened on it.
type keptBackend struct{ driver.Backend }

func (keptBackend) Close() error { return nil }

// Reclaim and Space are those of a backend that has them.
func (b keptBackend) Reclaim(ctx context.Context, progress func(driver.Reclaimed)) (int64, error) {
	if r, ok := b.Backend.(driver.Reclaimer); ok {
		return r.Reclaim(ctx, progress)
	}
	return 0, nil
}

func (b keptBackend) Space(ctx context.Context) (size, free int64, err error) {
	if s, ok := b.Backend.(driver.Sizer); ok {
		return s.Space(ctx)
	}
	return 0, 0, nil
}

// Erase is that of a backend that has one.
func (b keptBackend) Erase(ctx context.Context) error { return b.Backend.(driver.Eraser).Erase(ctx) }

// Version is that of a backend that has one.
func (b keptBackend) Version(ctx context.Context) (int64, error) {
	return b.Backend.(driver.Versioner).Version(ctx)
}

func kept(t tester, b driver.Backend) func(tester, ...checkpoint.Option) *checkpoint.EventStore {
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return func(t tester, opts ...checkpoint.Option) *checkpoint.EventStore {
		s, err := checkpoint.Open(keptBackend{b}, opts...)
		require.NoError(t, err)
		return closing(t, s)
	}
}

// closing closes a store when its test ends, and lets go of it: package testing keeps
// what it was given to clean up until the last test has ended, and a store that has
// compressed something takes 10 MB.
func closing(t tester, s *checkpoint.EventStore) *checkpoint.EventStore {
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		s = nil
	})
	return s
}

// onEveryStorage runs a test on each kind of storage. What it says of the answers
// that it got must be the same on all of them.
func onEveryStorage(t *testing.T, test func(t *testing.T, st storage, say func(...any))) {
	t.Helper()
	t.Parallel()
	all := storages(t)
	said := make([]strings.Builder, len(all))
	t.Run("on", func(t *testing.T) {
		for i, st := range all {
			t.Run(st.name, func(t *testing.T) {
				t.Parallel()
				test(t, st, func(what ...any) { said[i].WriteString(answer(what...)) })
			})
		}
	})
	for i := range all {
		require.Equal(t, said[0].String(), said[i].String(), "%s answers like %s", all[i].name, all[0].name)
	}
}

// own matches what is a storage's own and can't be the same elsewhere.
var own = regexp.MustCompile(`[0-9a-f]{64}|"saved_at":"[^"]*"|"life":"[0-9a-f]+"|writer [a-z2-7]{8}| at \d{4}-\d\d-\d\dT[0-9:.]+Z|\S*checkpoints\.db: `)

// answer is a line for what a store answered.
func answer(what ...any) string {
	var b strings.Builder
	for _, w := range what {
		switch v := w.(type) {
		case string:
			b.WriteString(v)
		case error:
			b.WriteString(v.Error())
		case *checkpoint.Checkpoint:
			text, err := json.Marshal(v)
			fmt.Fprintf(&b, "%s %q %v", text, v.State, err)
		case *checkpoint.Event:
			text, err := json.Marshal(v.Checkpoint)
			fmt.Fprintf(&b, "%s %q %v %v %d %d %s", text, v.State, err, v.Pruned, v.Size, v.Stored, v.Encoding)
		default:
			fmt.Fprintf(&b, "%+v", v)
		}
		b.WriteByte(' ')
	}
	return own.ReplaceAllString(b.String(), "(own)") + "\n"
}

// noon is when the checkpoints of tests are made.
var noon = time.Date(2025, 1, 15, 12, 0, 0, 123456789, time.UTC)

// atNoon has what is saved be saved then.
var atNoon = checkpoint.WithClock(func() time.Time { return noon })

// small returns a checkpoint with a small state.
func small(run string, n int) *checkpoint.Checkpoint {
	return &checkpoint.Checkpoint{RunID: run, NodeID: "node", State: json.RawMessage(fmt.Sprint(n))}
}

// saved saves a checkpoint of node with a state and returns it.
func saved(t tester, s *checkpoint.EventStore, run, node, state string) *checkpoint.Checkpoint {
	t.Helper()
	return savedAfter(t, s, run, node, state, 0)
}

// savedAfter is saved continuing from an event.
func savedAfter(t tester, s *checkpoint.EventStore, run, node, state string, parent uint64) *checkpoint.Checkpoint {
	t.Helper()
	c := &checkpoint.Checkpoint{RunID: run, NodeID: node, State: json.RawMessage(state), CreatedAt: noon, Seq: parent}
	require.NoError(t, s.Save(context.Background(), c))
	return c
}

// appended appends a checkpoint.
func appended(t tester, s *checkpoint.EventStore, c *checkpoint.Checkpoint, opts ...checkpoint.AppendOption) checkpoint.Saved {
	t.Helper()
	at, err := s.Append(context.Background(), c, opts...)
	require.NoError(t, err)
	require.Equal(t, c.Position(), at.Position)
	require.Equal(t, c.Parent, at.Parent)
	return at
}

// appendError returns the error of an append that must fail.
func appendError(t tester, s *checkpoint.EventStore, c *checkpoint.Checkpoint, opts ...checkpoint.AppendOption) error {
	t.Helper()
	at, err := s.Append(context.Background(), c, opts...)
	require.Error(t, err)
	require.Zero(t, at)
	return err
}

// events collects a history.
func events(t tester, s *checkpoint.EventStore, run string, opts checkpoint.HistoryOptions) []*checkpoint.Event {
	t.Helper()
	var all []*checkpoint.Event
	for ev, err := range s.History(context.Background(), run, opts) {
		require.NoError(t, err)
		all = append(all, ev)
	}
	return all
}

// lastSeq returns the seq of a run's newest event.
func lastSeq(t tester, s *checkpoint.EventStore, run string) uint64 {
	t.Helper()
	r, err := s.Run(context.Background(), run)
	require.NoError(t, err)
	return r.Last
}

// seqs returns the seqs of events.
func seqs(all []*checkpoint.Event) []uint64 {
	out := []uint64{}
	for _, ev := range all {
		out = append(out, ev.Seq)
	}
	return out
}

// requireIntact verifies a run.
func requireIntact(t tester, s *checkpoint.EventStore, run string) *checkpoint.Report {
	t.Helper()
	rep, err := s.Verify(context.Background(), run)
	require.NoError(t, err)
	require.True(t, rep.Intact(), "run %s: %v", run, rep.Problems)
	return rep
}
