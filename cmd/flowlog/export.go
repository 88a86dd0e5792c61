package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowlog/checkpoint"
)

// fileFormat is how export writes a run.
type fileFormat string

const (
	sealedFormat fileFormat = "flowlog"
	linesFormat  fileFormat = "jsonl"
)

// String, Set and Type make fileFormat a flag.
func (f *fileFormat) String() string { return string(*f) }

func (f *fileFormat) Set(s string) error {
	switch fileFormat(s) {
	case sealedFormat, linesFormat:
		*f = fileFormat(s)
		return nil
	}
	return fmt.Errorf("it is flowlog or jsonl")
}

func (f *fileFormat) Type() string { return "format" }

// export returns the verb that writes a run to a file.
func (c *cli) export() *cobra.Command {
	var as fileFormat
	var path string
	cmd := &cobra.Command{
		Use: "export RUN",
		Example: `  flowlog export @last -O run.flowlog
  flowlog export essay-x7kq --format jsonl | jq .state.draft
  flowlog export essay-x7kq -O essay.jsonl --redact config.api_key
  flowlog import --store bolt:other.db run.flowlog`,
		Short: "Write a run to a file.",
		Long: `Export writes a run, as it stands now, to stdout or to a file.

As flowlog it is a sealed file, with all that the store has of the run: states, notes
and hashes. It is small, and import makes the same run of it in any store. As jsonl it
is a line of JSON for each event, the state as it was saved, for other programs;
import makes a new run of that, with the same branches. Without --format the file's name decides: jsonl if it
ends in .jsonl, else flowlog.

RUN is a run's id, the beginning of it if no other begins so, or @last. The store may
be in use meanwhile, and is not changed. The file must not exist; it is there when
all of it is. A state that can't be read is left out of JSON Lines: its line says
"damaged":true, and the exit code is 1. A sealed file is not written then.`,
		Args: arguments("RUN"),
	}
	output := outputFlag(cmd)
	cmd.Flags().Var(&as, "format", "flowlog or jsonl")
	cmd.Flags().StringVarP(&path, "out", "O", "", "the file to write; without it, stdout")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if as == "" {
			as = sealedFormat
			if strings.HasSuffix(path, ".jsonl") {
				as = linesFormat
			}
		}
		switch {
		case path == "" && *output != formatText:
			return usage("-o %s says how to tell what was written, and needs -O FILE; for JSON Lines of the events it is --format jsonl", *output)
		case path == "" && as == sealedFormat && c.out.tty:
			return usage("a sealed file is not for a terminal; give it a name, as with -O run.flowlog, or use --format jsonl")
		case as == sealedFormat && len(c.redact) > 0:
			return usage("--redact does not go with a sealed file, which holds each state to its hash; use --format jsonl")
		}
		secrets, err := c.redactor()
		if err != nil {
			return err
		}
		return c.look(cmd.Context(), func(l looker) error {
			run, err := l.wholeRun("export", args[0])
			if err != nil {
				return err
			}
			e := exporter{c: c, looker: l, run: run, as: as, secrets: secrets}
			if path == "" {
				err = e.toStdout()
			} else {
				err = e.toFile(path, *output)
			}
			if err == nil && e.lost != nil {
				return e.lost
			}
			return err
		})
	}
	return cmd
}

// exporter writes one run.
type exporter struct {
	c *cli
	looker
	run     checkpoint.Run
	as      fileFormat
	secrets redactor
	lost    *checkpoint.LostStates // of JSON Lines
}

// write writes the run, and returns how many bytes that took.
func (e *exporter) write(w io.Writer) (int64, error) {
	meter, err := e.c.meter()
	if err != nil {
		return 0, err
	}
	defer meter.clear()
	n := &counted{w: w, meter: meter}
	if e.as == linesFormat {
		var mask func([]byte) ([]byte, error)
		if len(e.secrets.paths) > 0 {
			mask = func(state []byte) ([]byte, error) { return e.secrets.in(state).value(state, ""), nil }
		}
		err := e.lines(n, mask)
		for i, met := range e.secrets.met {
			if err == nil && !met {
				e.c.say("--redact %s: no state of the run has anything there", e.c.redact[i])
			}
		}
		return n.bytes, err
	}
	m, err := e.store.Export(e.ctx, e.run.ID, n)
	if err == nil { // it may have gone on
		e.run.Last, e.run.Hash = m.Events, m.Head
	}
	return n.bytes, err
}

func (e *exporter) lines(n *counted, mask func([]byte) ([]byte, error)) error {
	b := bufio.NewWriterSize(n, 64<<10)
	err := e.store.ExportLines(e.ctx, e.run.ID, b, mask)
	if lost, ok := errors.AsType[*checkpoint.LostStates](err); ok {
		e.lost, err = lost, nil
	}
	return errors.Join(err, b.Flush())
}

// counted counts what is written.
type counted struct {
	w     io.Writer
	bytes int64
	meter *meter
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.bytes += int64(n)
	c.meter.tell("writing", uint64(c.bytes), 0, "")
	return n, err
}

func (e *exporter) toStdout() error {
	n, err := e.write(e.c.out)
	if err == nil {
		err = e.c.out.flush()
	}
	if err != nil {
		return err
	}
	e.c.say("%s", e.text(n))
	return nil
}

// text says what was written.
func (e *exporter) text(bytes int64) string {
	text := fmt.Sprintf("%s: %s in %s", e.run.ID, count(e.run.Events(), "event"), size(bytes))
	if e.as == sealedFormat {
		return text + ", head " + e.run.Hash.String()
	}
	if without := e.without(); without > 0 {
		text += fmt.Sprintf(", %d of them without a state", without)
	}
	return text
}

// without returns how many events were written without a state.
func (e *exporter) without() uint64 {
	if e.lost == nil {
		return e.run.Pruned
	}
	return e.run.Pruned + e.lost.Events
}

// toFile writes a file of another name first, so that what is there under its own is
// whole.
func (e *exporter) toFile(path string, f format) error {
	if _, err := os.Lstat(path); err == nil {
		return usage("%s exists, and export overwrites nothing; name another, or remove it first", path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return usage("%s can't be written: %v", path, cause(err))
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if errors.Is(err, fs.ErrNotExist) {
		return usage("%s can't be written: there is no folder %s; make it first", path, filepath.Dir(path))
	}
	if err != nil { // which names a file of ours
		return usage("%s can't be written: %v", path, cause(err))
	}
	n, err := e.write(file)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Link(file.Name(), path) // which, unlike renaming, overwrites nothing
		if err != nil && !errors.Is(err, fs.ErrExist) {
			err = os.Rename(file.Name(), path) // a file system without links
		}
	}
	if e := os.Remove(file.Name()); e != nil && !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	if err != nil {
		return err
	}
	if f == formatText {
		e.c.out.printf("%s  %s\n", printable(path), printable(e.text(n)))
		return nil
	}
	doc := exportJSON{File: path, Format: e.as, RunID: e.run.ID, Events: e.run.Events(), Pruned: e.run.Pruned, Bytes: n}
	if e.as == sealedFormat {
		doc.Head = e.run.Hash.String()
	}
	return writeJSON(e.c.out, f, doc)
}

// cause returns what an error of the file system says without its path.
func cause(err error) error {
	if in, ok := errors.AsType[*fs.PathError](err); ok {
		return in.Err
	}
	return err
}

// exportJSON is what export wrote as -o json gives it. Bytes is the file's size.
type exportJSON struct {
	File   string     `json:"file"`
	Format fileFormat `json:"format"`
	RunID  string     `json:"run_id"`
	Events uint64     `json:"events"`
	Pruned uint64     `json:"pruned"`
	Head   string     `json:"head,omitempty"`
	Bytes  int64      `json:"bytes"`
}
