package checkpoint_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func init() { children["redacter"] = redacterChild }

// redacterChild saves events, five of them with a secret, redacts those, and waits to
// be killed.
func redacterChild(args []string) int {
	var t inChild
	ctx := context.Background()
	s := openFile(t, args[0], args[1], checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityOff))
	r := rand.New(rand.NewPCG(rand.Uint64(), 0))
	var seqs []uint64
	for i := range 20 {
		state := noise(r, 40_000+r.IntN(40_000))
		if i%4 == 3 {
			state = state[:100] + args[2] + state[100:]
		}
		c := &checkpoint.Checkpoint{RunID: "run", NodeID: "node", State: json.RawMessage(state)}
		require.NoError(t, s.Save(ctx, c))
		if i%4 == 3 {
			seqs = append(seqs, c.Seq)
		} else {
			fmt.Println("kept", c.Seq, sum(c.State))
		}
	}
	fmt.Println("redacting", strings.Trim(fmt.Sprint(seqs), "[]"))
	_, err := s.Redact(ctx, "run", seqs, "it had a password")
	require.NoError(t, err)
	select {}
}

// TestKillDuringRedact kills a process that redacts: the next finishes the work, and
// finds what was not to be redacted.
func TestKillDuringRedact(t *testing.T) {
	t.Parallel()
	kills := 6
	if brief() {
		kills = 2
	}
	if os.Getenv("FLOWLOG_LONG") == "1" {
		kills = 60
	}
	for name := range disks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "checkpoints.db")
			kept := map[uint64]string{}
			redacted := 0
			var secrets []secret
			for kill := range kills {
				when := fmt.Sprint("kill ", kill)
				secrets = append(secrets, newSecret())
				cmd := child(t, "redacter", name, path, string(secrets[kill]))
				out, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				var seqs []uint64
				for lines := bufio.NewScanner(out); lines.Scan(); {
					words := strings.Fields(lines.Text())
					if words[0] == "kept" {
						var seq uint64
						_, err := fmt.Sscan(words[1], &seq)
						require.NoError(t, err)
						kept[seq] = words[2]
						continue
					}
					for _, word := range words[1:] {
						var seq uint64
						_, err := fmt.Sscan(word, &seq)
						require.NoError(t, err)
						seqs = append(seqs, seq)
					}
					time.AfterFunc(time.Duration(number(100))*time.Millisecond, func() { cmd.Process.Kill() })
				}
				require.EqualError(t, cmd.Wait(), "signal: killed", when)

				s := openFile(t, name, path, checkpoint.WithoutCompaction())
				requireIntact(t, s, "run")
				n, err := s.Redact(t.Context(), "run", seqs, "it had a password")
				require.NoError(t, err, when)
				require.Equal(t, 5, n, when)
				redacted += n
				for _, secret := range secrets {
					require.Empty(t, secret.find(t, dir), when)
				}
				require.EqualValues(t, redacted, requireIntact(t, s, "run").Pruned, when)
				for seq, hash := range kept {
					c, err := s.LoadSeq(t.Context(), "run", seq)
					require.NoError(t, err, when)
					require.Equal(t, hash, sum(c.State), when)
				}
				require.NoError(t, s.Close())
			}
		})
	}
}
