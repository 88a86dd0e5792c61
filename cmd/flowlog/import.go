package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
	"github.com/flowlog/checkpoint/internal/archive"
)

// importFiles returns the verb that makes runs of files.
func (c *cli) importFiles() *cobra.Command {
	var skip bool
	cmd := &cobra.Command{
		Use: "import FILE...",
		Example: `  flowlog import run.flowlog
  flowlog import --store data/checkpoints.db flowgraph.db
  flowlog import --store bolt:new.bolt --skip-existing data/checkpoints.db
  gunzip < runs.jsonl.gz | flowlog import -`,
		Short: "Make runs of files, also of flowgraph's own databases.",
		Long: `Import makes runs of files and adds them to a store. What a file is, its bytes tell:
  a sealed file, that export wrote: the same run, with its id, notes and hashes
  JSON Lines of checkpoints, of one run or of several: new runs, with new hashes
  a checkpoint database of flowgraph's own SQLiteStore: its runs, to be resumed here
  a flowlog store, SQLite or bbolt: the same runs as it has
- stands for stdin, for the first two.

A line of JSON Lines needs run_id, node_id and state. It continues from the line before
of its run, unless it names another by that one's seq, as in "parent":3; with
"parent":0 it is a beginning, and a branch of its own.

A run is checked as a whole before it is there, so after an error, or a Ctrl-C, there
is no half of one. Those that were imported before it stay. A run that the store has
already is an error; with --skip-existing it is passed over, so that an import of many
can be done again.

The store that --store or FLOWLOG_STORE names is made if it is missing: a SQLite file
unless bolt: stands before the path. The exit code is 1 if a file is damaged.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return arguments("FILE")(cmd, args)
			}
			return nil
		},
	}
	output := outputFlag(cmd)
	cmd.Flags().BoolVar(&skip, "skip-existing", false, "pass over runs that the store has already")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		sources := make([]source, len(args))
		for i, path := range args { // before a store is made for nothing
			var err error
			if sources[i], err = c.source(path); err != nil {
				return err
			}
		}
		store, made, err := c.openToImport(sources)
		if err != nil {
			return err
		}
		defer store.Close()
		im := importer{c: c, ctx: cmd.Context(), store: store, skip: skip, format: *output}
		if err = im.all(sources); err != nil && made != "" {
			err = errors.Join(err, im.unmake(made))
		}
		return err
	}
	return cmd
}

// sourceKind is what a file to be imported is.
type sourceKind string

const (
	sealedSource    sourceKind = "sealed file"
	linesSource     sourceKind = "JSON Lines"
	flowgraphSource sourceKind = "flowgraph database"
	storeSource     sourceKind = "flowlog store"
)

// source is a file to be imported.
type source struct {
	path  string
	kind  sourceKind
	place place     // of a store
	pipe  io.Reader // stdin, or another that can be read once only; nil for a file
}

// source finds out what a file is.
func (c *cli) source(path string) (source, error) {
	s := source{path: path}
	if path != "-" {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return s, isFolder(path)
		}
		k, ours, err := kindOf(path)
		if err != nil {
			return s, usage("%v", err)
		}
		switch {
		case ours:
			s.kind, s.place = storeSource, place{path, k}
			return s, nil
		case k == sqliteKind:
			s.kind = flowgraphSource
			return s, nil
		}
	}
	head, err := s.begin(c.stdin)
	if err != nil {
		return s, usage("%v", err)
	}
	switch text := bytes.TrimLeft(head, " \t\r\n"); {
	case bytes.HasPrefix(head, []byte(archive.Magic)):
		s.kind = sealedSource
	case bytes.HasPrefix(text, []byte("{")):
		s.kind = linesSource
	case len(text) == 0:
		return s, usage("%s is empty; there is nothing to import", path)
	case len(head) < len(archive.Magic) && bytes.HasPrefix([]byte(archive.Magic), head):
		return s, damaged("%s is the beginning of a sealed file, cut off at byte %d", path, len(head))
	default:
		return s, usage("%s can't be imported: it is no sealed file, no JSON Lines, no database of flowgraph's and no flowlog store; it begins with %.20q", path, head)
	}
	return s, nil
}

// isFolder says that a path is no file to import, and what in it is.
func isFolder(path string) error {
	hint := ""
	if found := stores("", path); len(found) > 0 {
		hint = ", such as " + quote(found[0].path)
	}
	return usage("%s is a folder; name the files in it that are to be imported%s", path, hint)
}

// begin returns how a file begins. Of a pipe, as the shell makes one of <(command), that
// can't be read again, so it stays open.
func (s *source) begin(stdin io.Reader) ([]byte, error) {
	from, again := stdin, false
	if s.path != "-" {
		f, err := os.Open(s.path)
		if err != nil {
			return nil, err
		}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			defer f.Close()
			again = true
		}
		from = f
	}
	r := bufio.NewReaderSize(from, 4<<10)
	head, err := r.Peek(r.Size())
	if !again {
		s.pipe = r
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head, err
}

// importer imports files.
type importer struct {
	c      *cli
	ctx    context.Context
	store  *checkpoint.EventStore
	skip   bool
	format format
	facts  []importJSON
}

// importJSON is what became of a file as -o json gives it.
type importJSON struct {
	File    string            `json:"file"`
	Kind    sourceKind        `json:"kind"`
	Runs    []importedRunJSON `json:"runs"`
	Skipped []string          `json:"skipped"`
}

type importedRunJSON struct {
	RunID  string `json:"run_id"`
	Events uint64 `json:"events"`
	Head   string `json:"head"`
}

// all imports files, up to the first that can't be.
func (im *importer) all(sources []source) error {
	var failed error
	for _, s := range sources {
		done, err := im.one(s)
		if e := im.tell(s, done); err == nil {
			err = e
		}
		if failed = im.explain(s, err); failed != nil {
			break
		}
	}
	if im.format == formatJSON {
		if err := writeJSON(im.c.out, im.format, im.facts); failed == nil {
			failed = err
		}
	}
	return failed
}

// explain gives an error its file and its exit code.
func (im *importer) explain(s source, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, checkpoint.ErrCorrupt):
		return damaged("%s: %v", s.path, err)
	case errors.Is(err, checkpoint.ErrConflict) && !im.skip:
		return fmt.Errorf("%s: %w; --skip-existing passes over runs that exist", s.path, err)
	case errors.Is(err, checkpoint.ErrNotFound) && s.kind != storeSource: // a parent in a line, say
		return usage("%s: %v", s.path, err)
	}
	return fmt.Errorf("%s: %w", s.path, err)
}

// one imports a file.
func (im *importer) one(s source) (checkpoint.Imported, error) {
	meter, err := im.c.meter()
	if err != nil {
		return checkpoint.Imported{}, err
	}
	defer meter.clear()
	opts := checkpoint.ImportOptions{SkipExisting: im.skip, Progress: func(p checkpoint.ImportProgress) {
		if p.RunID == "" {
			meter.tell("reading "+s.path, p.Done, p.Total, "lines")
		} else {
			meter.tell("importing "+p.RunID, p.Done, p.Total, "steps")
		}
	}}
	switch s.kind {
	case flowgraphSource:
		return flowgraphstore.Import(im.ctx, s.path, im.store, opts)
	case storeSource:
		return im.copy(s, opts)
	}
	r := s.pipe
	if r == nil {
		f, err := os.Open(s.path)
		if err != nil {
			return checkpoint.Imported{}, err
		}
		defer f.Close()
		r = bufio.NewReaderSize(f, 256<<10)
	}
	if s.kind == linesSource {
		return im.store.ImportLines(im.ctx, r, opts)
	}
	return im.store.Import(im.ctx, r, opts)
}

// copy imports all runs of another store.
func (im *importer) copy(s source, opts checkpoint.ImportOptions) (done checkpoint.Imported, err error) {
	other, err := im.c.openToLook(s.place)
	if err != nil {
		return done, err
	}
	defer other.Close()
	for run, err := range other.Runs(im.ctx, checkpoint.RunsOptions{ByID: true}) {
		if err != nil {
			return done, err
		}
		one, err := im.store.CopyFrom(im.ctx, other, run.ID, opts)
		done.Runs, done.Skipped = append(done.Runs, one.Runs...), append(done.Skipped, one.Skipped...)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// tell says what became of a file.
func (im *importer) tell(s source, done checkpoint.Imported) error {
	fact := importJSON{File: s.path, Kind: s.kind, Runs: []importedRunJSON{}, Skipped: append([]string{}, done.Skipped...)}
	for _, run := range done.Runs {
		fact.Runs = append(fact.Runs, importedRunJSON{run.ID, run.Events(), run.Hash.String()})
		if im.format == formatText {
			im.c.out.printf("%s  %s, head %s\n", printable(run.ID), count(run.Events(), "event"), run.Hash)
		}
	}
	for _, id := range done.Skipped {
		im.c.say("%s: run %q exists and was passed over", s.path, id)
	}
	im.facts = append(im.facts, fact)
	if im.format == formatJSONL {
		return writeJSON(im.c.out, im.format, fact)
	}
	return nil
}
