package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/flowlog/checkpoint"
)

// openToLook opens a store for looking only.
func (c *cli) openToLook(at place) (*checkpoint.EventStore, error) {
	store, err := c.openAt(at, checkpoint.WithReadOnly())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noStoreAt(at.path)
	}
	return store, err
}

// openToWrite opens the store for a verb that changes it. It is looked at first: opening it
// to write would make one where there is none.
func (c *cli) openToWrite() (*checkpoint.EventStore, error) {
	at, err := c.place()
	if err != nil {
		return nil, err
	}
	look, err := c.openToLook(at)
	if err != nil {
		return nil, err
	}
	if err := look.Close(); err != nil {
		return nil, err
	}
	return c.openAt(at, checkpoint.WithoutCompaction())
}

// openAt opens a store of any kind, and waits for other processes as --wait says.
func (c *cli) openAt(at place, opts ...checkpoint.Option) (*checkpoint.EventStore, error) {
	wait := max(c.wait, time.Millisecond) // 0 would be the store's own default
	opts = append(opts, checkpoint.WithBusyTimeout(wait), checkpoint.WithLogger(slog.New(slog.DiscardHandler)))
	store, err := openKind(at, opts)
	if at.kind == boltKind && errors.Is(err, checkpoint.ErrLocked) {
		return nil, inUse(at.path, c.wait)
	}
	if err != nil {
		return nil, err
	}
	if warning := store.Warning(); warning != nil && !c.warned {
		c.warned = true
		c.say("warning: %v", warning)
	}
	return store, nil
}

// openKind opens a store of a kind.
func openKind(at place, opts []checkpoint.Option) (*checkpoint.EventStore, error) {
	if at.kind == boltKind {
		store, err := checkpoint.NewBoltStore(at.path, opts...)
		if err != nil {
			return nil, err
		}
		return store.EventStore, nil
	}
	store, err := checkpoint.NewSQLiteStore(at.path, opts...)
	if err != nil {
		return nil, err
	}
	return store.EventStore, nil
}

// inUse says that another process has a bbolt store open.
func inUse(path string, wait time.Duration) error {
	return &exitError{codeLocked, fmt.Sprintf("%s is in use: one process at a time can have a bbolt store open, and another has it (waited up to %s); close the program that uses it, or wait longer, as with --wait 1m", path, wait)}
}
