package log_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// ofRole returns an append of a role, without a state.
func ofRole(role log.Role, node string) log.Append {
	return log.Append{Header: log.Header{RunID: "run", NodeID: node, Role: role, Kind: log.None}}
}

// TestRolesMoveNoTip: events with a role are in the trail, count visits of their own, and
// are nothing that recovery takes, sealed or not.
func TestRolesMoveNoTip(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	add(t, l, ofRole(log.Begin, "begin"))
	_, err := l.Newest(t.Context(), "run")
	require.ErrorIs(t, err, log.ErrNotFound)
	require.ErrorContains(t, err, "no checkpoint to recover from yet")
	add(t, l, event("run", "a"))
	add(t, l, ofRole(log.Fork, "fork"))
	branch := event("run", "a")
	branch.Header.Role = log.Branch
	ev := add(t, l, branch)
	require.Equal(t, []uint64{4, 2, 1}, []uint64{ev.Seq, ev.Parent, ev.Visit})
	inner := after(branch, 4)
	require.EqualValues(t, 2, add(t, l, inner).Visit)
	add(t, l, failed("run", "a"))
	add(t, l, ofRole(log.End, "end"))
	for _, sealed := range []bool{false, true} {
		if sealed {
			_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
			require.NoError(t, err)
			l = another(t, b)
		}
		run, err := l.Run(t.Context(), "run")
		require.NoError(t, err)
		require.Equal(t, []uint64{7, 2}, []uint64{run.Last, run.Tip})
		newest, err := l.Newest(t.Context(), "run")
		require.NoError(t, err)
		require.EqualValues(t, 2, newest.Seq)
		for _, at := range []log.Position{{}, {Seq: 7}, {Seq: 5}, {Seq: 2}} {
			node, err := l.NodeAt(t.Context(), "run", "a", at)
			require.NoError(t, err)
			require.EqualValues(t, 2, node.Seq)
			nodes, err := l.Nodes(t.Context(), "run", at)
			require.NoError(t, err)
			require.Len(t, nodes, 1)
		}
		nodes, err := l.Nodes(t.Context(), "run", log.Position{Seq: 1})
		require.NoError(t, err)
		require.Empty(t, nodes)
		_, err = l.Visit(t.Context(), "run", "a", 2, log.Position{})
		require.ErrorIs(t, err, log.ErrNotFound)
		_, err = l.Visit(t.Context(), "run", "begin", 1, log.Position{})
		require.ErrorIs(t, err, log.ErrNotFound)
		var all []string
		for ev, err := range l.History(t.Context(), "run", log.HistoryOptions{}) {
			require.NoError(t, err)
			all = append(all, fmt.Sprintf("%d<%d %s %s#%d %d", ev.Seq, ev.Parent, ev.Role, ev.NodeID, ev.Visit, len(ev.State)))
		}
		size := len(branch.State)
		require.Equal(t, []string{
			"1<0 begin begin#1 0", fmt.Sprint("2<0  a#1 ", size), "3<2 fork fork#1 0", fmt.Sprint("4<2 branch a#1 ", size),
			fmt.Sprint("5<4 branch a#2 ", size), "6<2 failure a#1 0", "7<2 end end#1 0",
		}, all)
		ev, err := l.At(t.Context(), "run", 6)
		require.NoError(t, err)
		require.Equal(t, "no", ev.Failure.Text)
		requireIntact(t, l, "run")
		requireIndex(t, b, l, "run")
	}
	next := add(t, l, event("run", "a"))
	require.Equal(t, []uint64{8, 2, 2}, []uint64{next.Seq, next.Parent, next.Visit})
	// One that continues from inside of a branch is on its line.
	aside := add(t, l, after(event("run", "b"), 5))
	nodes, err := l.Nodes(t.Context(), "run", aside.Position())
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 9}, []uint64{nodes[0].Seq, nodes[1].Seq})
	requireIntact(t, l, "run")
}

// TestClass: the class of a run is what its last word says, in the same change, and
// listings by class follow.
func TestClass(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	final := failed("run", "a")
	final.Header.Failure.Final = true
	changed := 0
	b.onApply = func(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
		if changes[0].Class != nil {
			changed++
		}
		return apply(ctx, changes)
	}
	for i, step := range []struct {
		log.Append
		want    log.Class
		changes bool
	}{
		{ofRole(log.Begin, "begin"), log.ClassOpen, false},
		{event("run", "a"), log.ClassOpen, false},
		{failed("run", "a"), log.ClassOpen, false},
		{final, log.ClassFailed, true},
		{failed("run", "a"), log.ClassFailed, false},
		{final, log.ClassFailed, false},
		{event("run", "a"), log.ClassOpen, true},
		{ofRole(log.End, "end"), log.ClassFinished, true},
		{ofRole(log.Fork, "fork"), log.ClassFinished, false},
		{final, log.ClassFailed, true},
		{ofRole(log.End, "end"), log.ClassFinished, true},
		{event("run", "a"), log.ClassOpen, true},
		{ofRole(log.End, "end"), log.ClassFinished, true},
	} {
		before := changed
		add(t, l, step.Append)
		require.Equal(t, step.changes, changed > before, "step %d", i)
		for _, l := range []*log.Log{l, another(t, b)} {
			run, err := l.Run(t.Context(), "run")
			require.NoError(t, err)
			require.Equal(t, step.want, run.Class, "step %d", i)
			for _, class := range []log.Class{log.ClassOpen, log.ClassFinished, log.ClassFailed} {
				for _, byID := range []bool{false, true} {
					n := 0
					for _, err := range l.Runs(t.Context(), log.RunsOptions{Class: &class, ByID: byID}) {
						require.NoError(t, err)
						n++
					}
					require.Equal(t, class == step.want, n == 1, "step %d, class %d", i, class)
				}
			}
		}
	}
	// It stays what it was whatever else is done.
	require.NoError(t, l.Label(t.Context(), "run", 0, "a", "b"))
	_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
	require.NoError(t, err)
	_, err = l.Prune(t.Context(), "run", []uint64{2}, "test")
	require.NoError(t, err)
	p := pack(t, l, "run")
	require.NoError(t, l.Delete(t.Context(), "run"))
	_, err = unpack(t.Context(), l, p, nil)
	require.NoError(t, err)
	run, err := l.Run(t.Context(), "run")
	require.NoError(t, err)
	require.Equal(t, log.ClassFinished, run.Class)
}

// TestClassOfATruncatedRun: where the event that says it was dropped, the class stays, also
// through an export.
func TestClassOfATruncatedRun(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	add(t, l, event("run", "a"))
	add(t, l, ofRole(log.End, "end"))
	add(t, l, ofRole(log.Fork, "fork"))
	_, err := l.TruncateFront(t.Context(), "run", 3, "old")
	require.NoError(t, err)
	far := open(t, newTapped(t), log.Options{})
	p := pack(t, l, "run")
	_, err = unpack(t.Context(), far, p, nil)
	require.NoError(t, err)
	for _, l := range []*log.Log{l, far} {
		run, err := l.Run(t.Context(), "run")
		require.NoError(t, err)
		require.Equal(t, log.ClassFinished, run.Class)
		add(t, l, event("run", "b"))
		run, err = l.Run(t.Context(), "run")
		require.NoError(t, err)
		require.Equal(t, log.ClassOpen, run.Class)
	}
	require.NoError(t, far.Delete(t.Context(), "run"))
	p.Anchor.Class = 255
	_, err = unpack(t.Context(), far, p, nil)
	require.ErrorIs(t, err, log.ErrCorrupt)
}

// TestClassOfOneCommit: several appends of one commit leave the class that the last says.
func TestClassOfOneCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newTapped(t)
		l := open(t, b, log.Options{})
		_, errs := together(t, l, b, []log.Append{event("run", "a"), ofRole(log.End, "end"), event("run", "b"), ofRole(log.End, "end"), ofRole(log.Branch, "c")})
		for _, err := range errs {
			require.NoError(t, err)
		}
		run, err := l.Run(t.Context(), "run")
		require.NoError(t, err)
		require.Equal(t, log.ClassFinished, run.Class)
		require.EqualValues(t, 3, run.Tip)
	})
}

// TestUnknownRoleIsNeverTaken: an event of a role that a later flowlog wrote is read, goes
// along wherever events go, and recovery passes over it.
func TestUnknownRoleIsNeverTaken(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	add(t, l, event("run", "a"))
	ev, err := l.AppendOfLater(t.Context(), event("run", "b"), "signal")
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 1}, []uint64{ev.Seq, ev.Parent})
	far := open(t, newTapped(t), log.Options{})
	_, err = unpack(t.Context(), far, pack(t, l, "run"), nil)
	require.NoError(t, err)
	sealed := newTapped(t)
	_, err = unpack(t.Context(), another(t, sealed), pack(t, far, "run"), nil)
	require.NoError(t, err)
	for _, l := range []*log.Log{l, another(t, b), far, open(t, sealed, log.Options{})} {
		ev, err := l.At(t.Context(), "run", 2)
		require.NoError(t, err)
		require.Equal(t, log.Role("signal"), ev.Role)
		require.Equal(t, event("run", "b").State, ev.State)
		newest, err := l.Newest(t.Context(), "run")
		require.NoError(t, err)
		require.NotEqualValues(t, 2, newest.Seq)
		_, err = l.NodeAt(t.Context(), "run", "b", log.Position{})
		require.ErrorIs(t, err, log.ErrNotFound)
		_, err = l.Visit(t.Context(), "run", "b", 1, log.Position{})
		require.ErrorIs(t, err, log.ErrNotFound)
		nodes, err := l.Nodes(t.Context(), "run", log.Position{Seq: 2})
		require.NoError(t, err)
		require.Len(t, nodes, 1)
		require.Equal(t, newest.Seq, add(t, l, event("run", "c")).Parent)
		require.EqualValues(t, 2, add(t, l, after(event("run", "d"), 2)).Parent)
		requireIntact(t, l, "run")
	}
}

// TestUnknownFlagsAreRefused: an event that is to be treated in a way that this flowlog
// does not know is not guessed at, and its run takes no appends.
func TestUnknownFlagsAreRefused(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for range 3 {
		add(t, l, event("run", "a"))
	}
	run, err := l.Run(t.Context(), "run")
	require.NoError(t, err)
	for _, flags := range []driver.Flags{driver.Opaque, driver.Opaque | driver.Passed, 4, 128} {
		for _, seq := range []uint64{1, 2, 3} {
			b.onRecord = func(_ string, r *driver.Record) bool {
				if r.Seq == seq {
					r.Flags |= flags
					r.Sum = log.RecordSum(run.Life, r)
				}
				return true
			}
			l := open(t, b, log.Options{})
			_, err := l.At(t.Context(), "run", seq)
			require.ErrorIs(t, err, log.ErrUnsupportedVersion)
			require.ErrorContains(t, err, "newer flowlog")
			var last error
			for _, err := range l.History(t.Context(), "run", log.HistoryOptions{}) {
				last = err
			}
			require.ErrorIs(t, last, log.ErrUnsupportedVersion)
			_, err = l.Append(t.Context(), event("run", "b"))
			require.ErrorIs(t, err, log.ErrUnsupportedVersion, "seq %d", seq)
			rep, err := l.Verify(t.Context(), "run")
			require.NoError(t, err)
			require.EqualValues(t, seq, rep.BrokenAt)
		}
	}
}

// TestRolesRefused: what an event with or without a role can't have.
func TestRolesRefused(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	long := strings.Repeat("x", log.MaxFailureStack+1)
	for name, c := range map[string]struct {
		log.Append
		want error
	}{
		"an unknown role":          {ofRole("signal", "a"), log.ErrInvalid},
		"no state of a checkpoint": {ofRole(log.Recoverable, "a"), log.ErrInvalid},
		"a state of no kind": {func() log.Append {
			a := ofRole(log.End, "a")
			a.State = []byte("{}")
			return a
		}(), log.ErrInvalid},
		"an error of a checkpoint": {func() log.Append {
			a := event("run", "a")
			a.Header.Failure = &log.FailureInfo{Text: "no"}
			return a
		}(), log.ErrInvalid},
		"too long a text":  {withFailure(log.FailureInfo{Text: long[:log.MaxFailureText+1]}), log.ErrTooLarge},
		"too long a type":  {withFailure(log.FailureInfo{Type: long[:log.MaxID+1]}), log.ErrTooLarge},
		"too long a stack": {withFailure(log.FailureInfo{Stack: long}), log.ErrTooLarge},
		"too many merges": {func() log.Append {
			a := event("run", "a")
			a.Header.Merges = make([]uint64, 1025)
			return a
		}(), log.ErrTooLarge},
	} {
		_, err := l.Append(t.Context(), c.Append)
		require.ErrorIs(t, err, c.want, name)
	}
	requireNoRun(t, l, "run")
}

func withFailure(f log.FailureInfo) log.Append {
	a := failed("run", "a")
	a.Header.Failure = &f
	return a
}

// TestImportOfAStateOfNoKind: what no engine writes is not taken in.
func TestImportOfAStateOfNoKind(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	a := ofRole(log.Branch, "a")
	a.State = []byte("{}")
	_, err := l.AppendOfLater(t.Context(), a, log.Branch)
	require.NoError(t, err)
	b := newTapped(t)
	_, err = unpack(t.Context(), open(t, b, log.Options{}), pack(t, l, "run"), nil)
	require.ErrorIs(t, err, log.ErrCorrupt)
	require.ErrorContains(t, err, "of kind \"none\"")
	nothing(t, b, "run")
}

// TestCutFailure: what is cut fits a header together with all else that an event can have,
// whatever characters it is of, and is read back as it was.
func TestCutFailure(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	for _, char := range []string{"x", "\"", "\n", "\x00", "<", "é", "\u2028", "😀", "\xff", "a\xff"} {
		f := log.FailureInfo{
			Type: strings.Repeat(char, 2000), Text: strings.Repeat(char, 20_000), Stack: strings.Repeat(char, 100_000),
			Final: true, NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)),
		}
		a := withFailure(log.CutFailure(f))
		require.True(t, utf8.ValidString(a.Header.Failure.Stack))
		if char != "\xff" { // which becomes one character, however often it comes
			require.True(t, strings.HasSuffix(a.Header.Failure.Stack, "…"))
			require.Greater(t, len(a.Header.Failure.Stack), log.MaxFailureStack/6-20)
		}
		require.Equal(t, *a.Header.Failure, log.CutFailure(*a.Header.Failure), "it is cut once")
		id := strings.Repeat("i", log.MaxID)
		h := &a.Header
		h.RunID, h.NodeID, h.PrevNodeID, h.NextNode, h.BranchID, h.ForkNodeID, h.Metadata.GraphID = id, id, id, id, id, id, id
		h.Metadata.Labels = map[string]string{id: id}
		ev := add(t, l, a)
		stored, err := l.At(t.Context(), id, ev.Seq)
		require.NoError(t, err)
		require.Equal(t, a.Header.Failure.Stack, stored.Failure.Stack)
		require.Equal(t, a.Header.Failure.Text, stored.Failure.Text)
		require.True(t, f.NotBefore.Equal(stored.Failure.NotBefore))
		require.Equal(t, ev.Header, stored.Header)
		require.Equal(t, time.UTC, ev.Failure.NotBefore.Location())
	}
	short := log.FailureInfo{Type: "t", Text: "short", Stack: "main"}
	require.Equal(t, short, log.CutFailure(short))
}

// TestHeaderFieldsAreKept: an event is read as it was appended, with all that it can have.
func TestHeaderFieldsAreKept(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for range 4 {
		add(t, l, event("run", "a"))
	}
	a := event("run", "node")
	h := &a.Header
	h.PrevNodeID, h.NextNode, h.BranchID, h.ForkNodeID, h.Attempt, h.Merges = "prev", "next", "branch", "fork", 3, []uint64{2, 3}
	h.CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	h.StartedAt = h.CreatedAt.Add(-time.Second).In(time.FixedZone("", -3600))
	h.Metadata = log.Metadata{GraphID: "graph", Version: 7, Labels: map[string]string{"k": "v"}}
	h.Origin = &log.Origin{RunID: "other", Seq: 7, Hash: log.Digest{1}}
	h.Envelope = &log.Envelope{Prefix: "{", Suffix: "}"}
	h.Input, h.Reused, h.Epoch = log.Digest{2}, 3, 4
	ev := add(t, l, a)
	for _, sealed := range []bool{false, true} {
		if sealed {
			_, err := l.Seal(t.Context(), "run", log.SealOptions{Whole: true})
			require.NoError(t, err)
			l = another(t, b)
		}
		stored, err := l.At(t.Context(), "run", 5)
		require.NoError(t, err)
		require.Equal(t, ev.Header, stored.Header)
		require.True(t, h.CreatedAt.Equal(stored.CreatedAt))
		require.True(t, h.StartedAt.Equal(stored.StartedAt))
		want := *h
		want.Seq, want.Parent, want.Visit, want.Size, want.SHA256 = 5, 4, 1, int64(len(a.State)), stored.SHA256
		want.CreatedAt, want.StartedAt, want.Writer = stored.CreatedAt, stored.StartedAt, stored.Writer
		require.Equal(t, want, stored.Header)
		require.Equal(t, time.UTC, stored.StartedAt.Location())
	}
	for _, years := range []int{-293, 293} {
		far := event("run", "far")
		far.Header.CreatedAt = h.CreatedAt
		far.Header.StartedAt = h.CreatedAt.AddDate(years, 0, 0)
		_, err := l.Append(t.Context(), far)
		require.ErrorIs(t, err, log.ErrInvalid)
	}
}
