package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/bolt"
	"github.com/flowlog/checkpoint/driver"
)

func init() {
	children["holder"] = holder
	children["appender"] = appender
}

// holder has a file open until its input ends.
func holder(args []string) int {
	b, err := bolt.Open(args[0], bolt.Options{ReadOnly: args[1] == "true"})
	fmt.Println(err)
	if err != nil {
		return 1
	}
	io.Copy(io.Discard, os.Stdin)
	fmt.Println(b.Close())
	return 0
}

// appender appends to a run of its own, drops others and reclaims, until it is
// killed.
func appender(args []string) int {
	ctx := context.Background()
	b, err := bolt.Open(args[0], bolt.Options{OpenTimeout: 10 * time.Second})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	put := func(c driver.Change) error {
		if h, err := b.Head(ctx, driver.HeadRequest{Run: c.Run}); err == nil {
			c.Revision = h.Revision
		} else if c.Drop {
			return nil
		} else {
			c.Head = row(1)
		}
		results, err := b.Apply(ctx, request(c))
		if err == nil {
			err = results[0].Err
		}
		return err
	}
	last := uint64(0)
	if h, err := b.Head(ctx, driver.HeadRequest{Run: "run"}); err == nil {
		last = h.Last.Seq
	}
	go func() {
		for {
			if _, err := b.Reclaim(ctx, nil); err != nil {
				fmt.Println("reclaim:", err)
			}
		}
	}()
	for {
		last++
		err := errors.Join(
			put(driver.Change{Run: "run", Append: records("run", last, last, 1500)}),
			put(driver.Change{Run: "large", Drop: true}),
			put(driver.Change{Run: "large", Append: records("large", 1, 8, 300_000)}))
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(last)
	}
}

// TestOneProcessAtATime opens a file that is open, to write and to read.
func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	for _, theirs := range []bool{false, true} {
		for _, where := range []string{"another process", "this one"} {
			path := filepath.Join(t.TempDir(), "x.db")
			require.NoError(t, open(t, path, bolt.Options{}).Close())
			var release func() error
			if where == "this one" {
				release = open(t, path, bolt.Options{ReadOnly: theirs}).Close
			} else {
				cmd := child(t, "holder", path, fmt.Sprint(theirs))
				in, err := cmd.StdinPipe()
				require.NoError(t, err)
				out, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				line, err := bufio.NewReader(out).ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, "<nil>\n", line)
				release = func() error { return errors.Join(in.Close(), cmd.Wait()) }
			}
			for _, mine := range []bool{false, true} {
				start := time.Now()
				b, err := bolt.Open(path, bolt.Options{ReadOnly: mine, OpenTimeout: 150 * time.Millisecond})
				if mine && theirs {
					require.NoError(t, err)
					require.NoError(t, b.Close())
					continue
				}
				require.ErrorIs(t, err, driver.ErrLocked)
				require.ErrorContains(t, err, path+": locked: the file is in use by another process, or open in this one already (waited 150ms)")
				require.Less(t, time.Since(start), time.Second)
			}
			require.NoError(t, release())
			require.NoError(t, open(t, path, bolt.Options{}).Close())
		}
	}
}

// TestKill kills a process that writes and reclaims, again and again: what it
// acknowledged is there.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	said := uint64(0)
	for kill := range 8 {
		cmd := child(t, "appender", path)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			_, err := fmt.Sscan(lines.Text(), &said)
			require.NoError(t, err, lines.Text())
			if n == 2 {
				time.AfterFunc(time.Duration(kill*7)*time.Millisecond, func() { cmd.Process.Kill() })
			}
		}
		require.Error(t, cmd.Wait())
		b := open(t, path, bolt.Options{ReadOnly: kill%2 == 1})
		h, err := b.Head(t.Context(), driver.HeadRequest{Run: "run"})
		require.NoError(t, err)
		require.GreaterOrEqual(t, h.Last.Seq, said)
		require.LessOrEqual(t, h.Last.Seq, said+1)
		wantRun(t, b, "run", h.Last.Seq, 1500)
		require.NoError(t, b.Close())
		check(t, path)
	}
}
