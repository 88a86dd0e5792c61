package checkpoint

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/flowlog/checkpoint/internal/archive"
	"github.com/flowlog/checkpoint/log"
)

// Manifest says which run an export holds, and up to where.
type Manifest = log.Manifest

// Export writes a run, as it stands now, to w: a sealed file that holds all that the
// store has of it, notes and hashes included. [EventStore.Import] makes the same run of
// it in a store of any kind. Package archive says how the file is made up.
//
// The store is only read, and may be open for reading only: what is not sealed yet is
// sealed for the file alone. Each state is held to its hash on the way. Saving goes on
// meanwhile; what comes later is left out.
//
// Memory: as for sealing one block. After an error, what was written is no sealed file.
//
// Errors: ErrNotFound, also if the run is deleted on the way; ErrCorrupt; that of w.
func (s *EventStore) Export(ctx context.Context, runID string, w io.Writer) (Manifest, error) {
	m, parts, err := s.log.Export(ctx, runID)
	if err == nil {
		err = archive.Write(w, m, parts)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("export: %w", err)
	}
	return m, nil
}

// ImportOptions say how to import. The zero value is good.
type ImportOptions struct {
	// SkipExisting passes over runs that the store has already, whatever is in them:
	// so an import of many runs that was stopped can be done again.
	SkipExisting bool
	// Progress, if not nil, is called now and then.
	Progress func(ImportProgress)
}

// ImportProgress is how far an import has come.
type ImportProgress struct {
	// RunID is the run at hand; empty while what is to be imported is being read.
	RunID string
	// Done and Total are steps: each event is one as it is stored and one as it is
	// verified. Total is 0 where it is not known.
	Done, Total uint64
}

// Imported is what an import did.
type Imported struct {
	// Runs are those that are there now, in order.
	Runs []Run
	// Skipped are the ids of those that were there before.
	Skipped []string
}

// Import makes a run of a sealed file: the same run, with the same id, events, notes
// and hashes. The id is in the hashes, so it can't get another.
//
// All of it is stored first, read back and verified, and only then there for anybody,
// as a whole and durable. After an error or a crash there is no such run; what a crash
// left in the store is removed by the next import of the run, or in time by compaction.
//
// r is read to its end, best through a buffer. Memory: one block of the file, and what
// Verify takes.
//
// Errors: ErrConflict if the run exists, or somebody saves to it meanwhile; ErrCorrupt,
// as an [Error] with offset or seq, for a file that is damaged or forged;
// ErrUnsupportedVersion; ErrTooLarge if a state is over the store's limit; ErrReadOnly;
// ErrClosed; ErrLocked; that of r.
func (s *EventStore) Import(ctx context.Context, r io.Reader, opts ImportOptions) (Imported, error) {
	m, parts, err := archive.Read(r)
	if err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	var done Imported
	err = s.take(ctx, m, parts, opts, &done)
	return done, err
}

// CopyFrom makes the same run as another store has, of the same id and with the same
// events, notes and hashes, as Export and Import do but without a file between.
//
// Errors: as those of Export and Import.
func (s *EventStore) CopyFrom(ctx context.Context, other *EventStore, runID string, opts ImportOptions) (Imported, error) {
	m, parts, err := other.log.Export(ctx, runID)
	if err != nil {
		return Imported{}, fmt.Errorf("copy: %w", err)
	}
	var done Imported
	err = s.take(ctx, m, parts, opts, &done)
	return done, err
}

// take imports a run.
func (s *EventStore) take(ctx context.Context, m Manifest, parts iter.Seq2[log.Part, error], opts ImportOptions, done *Imported) error {
	if opts.SkipExisting {
		if _, err := s.log.Run(ctx, m.RunID); err == nil {
			done.Skipped = append(done.Skipped, m.RunID)
			return nil
		}
	}
	var o log.ImportOptions
	if opts.Progress != nil {
		o.Progress = func(events uint64) {
			opts.Progress(ImportProgress{RunID: m.RunID, Done: events, Total: 2 * m.Events})
		}
	}
	run, err := s.log.Import(ctx, m, parts, o)
	if err == nil {
		done.Runs = append(done.Runs, run)
	}
	return err
}
