//go:build unix

package checkpoint_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

func init() {
	children["saveAndDie"] = saveAndDie
	children["looker"] = lookAsNobody
}

// saveAndDie saves 50 events to a run, and does not close its store.
func saveAndDie(args []string) int {
	s, err := checkpoint.NewSQLiteStore(args[0], checkpoint.WithoutCompaction())
	if err != nil {
		fmt.Println("open:", err)
		return 1
	}
	for i := range 50 {
		if err := s.Save(context.Background(), &checkpoint.Checkpoint{RunID: args[1], NodeID: "node", State: fmt.Appendf(nil, `{"i":%d}`, i)}); err != nil {
			fmt.Println("save:", err)
			return 1
		}
	}
	fmt.Println("saved")
	return 0
}

// lookAsNobody counts the events of a run, as a user who may write neither file nor folder.
func lookAsNobody(args []string) int {
	if os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	for _, opts := range [][]checkpoint.Option{{checkpoint.WithReadOnly()}, nil} {
		s, err := checkpoint.NewSQLiteStore(args[0], opts...)
		if err != nil {
			fmt.Println(err)
			continue
		}
		run, err := s.Run(context.Background(), args[1])
		fmt.Println(run.Last, err)
		s.Close()
	}
	return 0
}

// TestHardLinks (F9): a SQLite file that has several names is refused by each of them, since
// each name would have a WAL of its own.
func TestHardLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	names := []string{filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db"), filepath.Join(dir, "folder", "c.db")}
	require.NoError(t, os.Mkdir(filepath.Dir(names[2]), 0o700))
	first, err := checkpoint.NewSQLiteStore(names[0], checkpoint.WithoutCompaction())
	require.NoError(t, err)
	saved(t, first.EventStore, "run", "node", `{"i":0}`)
	for _, name := range names[1:] {
		require.NoError(t, os.Link(names[0], name))
	}
	// Who has it open goes on; whoever comes by any name is refused.
	for i, name := range append(names, names[1]) {
		out, err := child(t, "saveAndDie", name, fmt.Sprint("run-", i)).Output()
		require.Error(t, err, "%s", out)
		require.Contains(t, string(out), "open: invalid file "+name+": it has 3 names (hard links), and SQLite keeps the newest events in a file beside it")
		_, err = checkpoint.NewSQLiteStore(name, checkpoint.WithReadOnly())
		require.ErrorIs(t, err, checkpoint.ErrInvalid)
	}
	saved(t, first.EventStore, "run", "node", `{"i":1}`)
	require.NoError(t, first.Close())
	for _, name := range names[1:] {
		require.NoError(t, os.Remove(name))
	}
	first, err = checkpoint.NewSQLiteStore(names[0])
	require.NoError(t, err)
	defer first.Close()
	require.EqualValues(t, 2, requireIntact(t, first.EventStore, "run").Events)
}

// TestHardLinksOfABoltFile: what would leave the other names with an old file is refused.
func TestHardLinksOfABoltFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.bolt")
	s, err := checkpoint.NewBoltStore(path, checkpoint.WithoutCompaction())
	require.NoError(t, err)
	defer s.Close()
	for i := range 300 {
		saved(t, s.EventStore, "run", "node", filler(1000+i))
	}
	other := path + ".other"
	require.NoError(t, os.Link(path, other))
	_, err = s.Redact(t.Context(), "run", []uint64{1}, "test")
	require.ErrorIs(t, err, checkpoint.ErrInvalid)
	require.ErrorContains(t, err, "it has 2 names (hard links), and a copy would take the place of one")
	require.NoError(t, os.Remove(other))
	_, err = s.Redact(t.Context(), "run", []uint64{1}, "test")
	require.NoError(t, err)
}

// TestSymbolicLinkToAHotWAL (F10): the WAL that a killed process left is found through links
// from folders that can't be written, by who may only read.
func TestSymbolicLinkToAHotWAL(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("it takes another user to read the file as")
	}
	dir := t.TempDir()
	real := filepath.Join(dir, "data")
	path := filepath.Join(real, "checkpoints.db")
	require.NoError(t, os.Mkdir(real, 0o777))
	out, err := child(t, "saveAndDie", path, "run").Output()
	require.NoError(t, err, "%s", out)
	require.FileExists(t, path+"-wal")
	require.NoError(t, os.Remove(path+"-shm")) // else it can be read without another

	shown := filepath.Join(dir, "shown") // a folder that nobody may write
	require.NoError(t, os.Mkdir(shown, 0o755))
	require.NoError(t, os.Symlink(path, filepath.Join(shown, "direct.db")))
	require.NoError(t, os.Symlink("direct.db", filepath.Join(shown, "twice.db")))
	require.NoError(t, os.Symlink(real, filepath.Join(shown, "folder")))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(dir, 0o755))
	for _, file := range matching(t, path, []string{"*"}) {
		require.NoError(t, os.Chmod(file, 0o644))
	}
	require.NoError(t, os.Chmod(real, 0o755))
	for _, name := range []string{"direct.db", "twice.db", "folder/checkpoints.db"} {
		out, err := child(t, "looker", filepath.Join(shown, name), "run").Output()
		require.NoError(t, err, "%s", out)
		lines := strings.Split(string(out), "\n")
		if lines[0] != "50 <nil>" { // or it is said that not all can be read
			require.Contains(t, lines[0], name+" can't be opened")
		}
		require.Contains(t, lines[1], "can't be ")
	}
	s, err := checkpoint.NewSQLiteStore(filepath.Join(shown, "twice.db"), checkpoint.WithReadOnly())
	require.NoError(t, err)
	run, err := s.Run(t.Context(), "run")
	require.NoError(t, err)
	require.EqualValues(t, 50, run.Last)
	require.NoError(t, s.Close())
}

// TestSymbolicLinkToAnotherProgramsWAL (F11): what is refused is not changed, also behind
// links.
func TestSymbolicLinkToAnotherProgramsWAL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	theirs := filepath.Join(dir, "theirs")
	require.NoError(t, os.Mkdir(theirs, 0o700))
	path := filepath.Join(theirs, "app.db")
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)")
	require.NoError(t, err)
	_, err = db.Exec(`CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
	require.NoError(t, err)
	hot := filepath.Join(dir, "hot")
	require.NoError(t, os.Mkdir(hot, 0o700))
	copyFiles(t, path, filepath.Join(hot, "app.db"), []string{"", "-wal"}) // as a kill leaves them
	require.NoError(t, db.Close())
	require.FileExists(t, filepath.Join(hot, "app.db-wal"))

	link := filepath.Join(dir, "link.db")
	require.NoError(t, os.Symlink(filepath.Join(hot, "app.db"), link))
	require.NoError(t, os.Symlink("link.db", filepath.Join(dir, "twice.db")))
	require.NoError(t, os.Symlink("hot", filepath.Join(dir, "folder")))
	before := filesIn(t, hot)
	for _, name := range []string{"link.db", "twice.db", "folder/app.db"} {
		for _, opts := range [][]checkpoint.Option{nil, {checkpoint.WithReadOnly()}} {
			_, err := checkpoint.NewSQLiteStore(filepath.Join(dir, name), opts...)
			require.ErrorIs(t, err, checkpoint.ErrInvalid)
			require.ErrorContains(t, err, "it is another program's SQLite database")
			after := filesIn(t, hot)
			delete(after, "app.db-shm") // SQLite's memory beside a WAL, made anew by each
			require.Equal(t, before, after, name)
		}
	}
}
