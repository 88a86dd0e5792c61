package bolt_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

func init() { children["reclaimer"] = reclaimer }

// reclaimer reclaims a file, with a reader beside it, and is killed after so many
// steps. It says each step that it comes to.
func reclaimer(args []string) int {
	ctx := context.Background()
	var last int
	if _, err := fmt.Sscan(args[1], &last); err != nil {
		return 2
	}
	b, err := bolt.Open(args[0], bolt.Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return 2
	}
	steps := 0
	b.OnStep(func(done string) {
		fmt.Println(done)
		if steps++; steps == last {
			self.Kill()
			select {} // it takes effect at once, or soon
		}
	})
	go func() {
		for {
			if _, err := b.Records(ctx, driver.RecordsRequest{Run: "run-18", From: 1, To: driver.MaxSeq, Limit: 10}); err != nil {
				fmt.Println("a reader:", err)
			}
		}
	}()
	_, err = b.Reclaim(ctx, nil)
	fmt.Println(err)
	return 0
}

// TestKillReclaim kills a process after each step of Reclaim: the old file is there
// or the new one, whole, and the next Reclaim leaves nothing beside it.
func TestKillReclaim(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := filepath.Join(dir, "before.db")
	b, err := bolt.Open(before, bolt.Options{Durability: driver.Off})
	require.NoError(t, err)
	revisions := someRuns(t, b, 20)
	for i := range 18 {
		apply(t, b, driver.Change{Run: fmt.Sprint("run-", i), Revision: revisions[i], Drop: true})
	}
	purge(t, b) // the steps before the copy are those of Purge
	require.NoError(t, b.Close())
	whole, err := os.ReadFile(before)
	require.NoError(t, err)

	var reached []string
	for n := 1; ; n++ {
		path := filepath.Join(dir, fmt.Sprint(n, ".db"))
		require.NoError(t, os.WriteFile(path, whole, 0o600))
		cmd := child(t, "reclaimer", path, fmt.Sprint(n))
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		said, err := io.ReadAll(out)
		require.NoError(t, err)
		steps := strings.Split(strings.TrimSpace(string(said)), "\n")
		if err := cmd.Wait(); err == nil { // there is no further step
			require.Equal(t, append(reached, "<nil>"), steps)
			break
		}
		require.Len(t, steps, n)
		reached = steps
		renamed := n > 4
		require.Equal(t, renamed, strings.Contains(string(said), "rename"))
		if renamed {
			require.Empty(t, copies(t, path))
		} else {
			require.Len(t, copies(t, path), 1)
		}
		b := open(t, path, bolt.Options{Durability: driver.Off})
		require.Empty(t, copies(t, path))
		size, _, err := b.Space(t.Context())
		require.NoError(t, err)
		require.Equal(t, renamed, size < int64(len(whole))/2, "after %q", reached)
		got, err := b.Reclaim(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, !renamed, got > 0, "after %q", reached)
		for i := 18; i < 20; i++ {
			wantSome(t, b, i)
		}
		require.NoError(t, b.Close())
		check(t, path)
	}
	require.Equal(t, []string{"make", "copy", "keep the owner", "sync", "rename", "switch", "sync the folder", "close the old"}, reached)
}
