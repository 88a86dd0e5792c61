package log_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// indexSpaces are the spaces of the entries that index visits.
const indexSpaces = "adv"

// storedIndex returns the entries of a run that index visits, as text by key.
func storedIndex(t require.TestingT, b driver.Backend, run string) map[string]string {
	entries, err := b.Entries(context.Background(), driver.EntriesRequest{Run: run, Limit: math.MaxInt32})
	require.NoError(t, err)
	have := map[string]string{}
	for _, e := range entries {
		for _, space := range []byte(indexSpaces) {
			if e.Key[0] == space {
				have[fmt.Sprintf("%c %x", e.Key[0], e.Key[1:])] = fmt.Sprintf("%x", e.Value)
			}
		}
	}
	return have
}

// requireIndex holds the index of visits to one that is made anew of the run's events, and
// of its anchor.
func requireIndex(t require.TestingT, b driver.Backend, l *log.Log, run string) {
	ctx := context.Background()
	key := func(role log.Role, node string) string {
		sum := sha256.Sum256([]byte(string(role) + "\x00" + node))
		return fmt.Sprintf("%x", sum[:8])
	}
	want := map[string]string{}
	a, err := l.Anchor(ctx, run)
	require.NoError(t, err)
	for node, n := range a.Visits {
		want["a "+key(log.Recoverable, node)] = fmt.Sprintf("%x", binary.AppendUvarint(nil, uint64(n)))
	}
	for name, n := range a.Others {
		var role, node string
		_, err := fmt.Sscanf(name, "%s %s", &role, &node)
		require.NoError(t, err)
		want["a "+key(log.Role(role), node)] = fmt.Sprintf("%x", binary.AppendUvarint(nil, uint64(n)))
	}
	type entry struct{ n, seq, more, newest uint64 }
	block := map[string]*entry{}
	for ev, err := range l.History(ctx, run, log.HistoryOptions{HeadersOnly: true}) {
		require.NoError(t, err)
		k := key(ev.Role, ev.NodeID)
		if e := block[k]; e != nil {
			e.more++
		} else {
			block[k] = &entry{n: ev.Visit, seq: ev.Seq}
		}
		if ev.Role == log.Recoverable && !ev.Pruned {
			block[k].newest = ev.Seq
		}
		if ev.Seq%64 > 0 {
			continue
		}
		for k, e := range block {
			value := binary.AppendUvarint(binary.AppendUvarint(nil, e.seq), e.more)
			space := "d"
			if e.newest > 0 {
				space, value = "v", binary.AppendUvarint(value, e.newest-e.seq)
			}
			want[fmt.Sprintf("%s %s%08x", space, k, e.n)] = fmt.Sprintf("%x", value)
		}
		clear(block)
	}
	require.Equal(t, want, storedIndex(t, b, run))
}
