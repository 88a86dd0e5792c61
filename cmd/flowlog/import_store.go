package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"

	"github.com/flowlog/checkpoint"
)

// openToImport opens the store, which is made if it is named and missing. Then it returns
// its path, too.
func (c *cli) openToImport(sources []source) (store *checkpoint.EventStore, made string, err error) {
	at, missing, err := c.placeToImport()
	if err != nil {
		return nil, "", err
	}
	for _, s := range sources {
		if s.kind == storeSource && sameFile(s.path, at.path) {
			return nil, "", usage("%s is the store itself; name another to import into with --store", s.path)
		}
	}
	// No look first: a store that another process just makes would be refused. What is
	// none of ours is refused unchanged anyway.
	if _, e := os.Lstat(at.path); errors.Is(e, fs.ErrNotExist) { // else another process makes it just now
		made = at.path
	}
	store, err = c.openAt(at, checkpoint.WithoutCompaction())
	if err == nil && missing {
		c.say("made a new %s store at %s", at.kind.name(), at.path)
	}
	return store, made, err
}

// unmake removes the store that was made for an import, if nothing came into it. Another
// process that opened it meanwhile is refused what it writes: it looks after its file. The
// store is open still, so that one which waits for a bbolt file finds it gone.
func (im *importer) unmake(path string) error {
	for run, err := range im.store.Runs(context.WithoutCancel(im.ctx), checkpoint.RunsOptions{Limit: 1}) {
		if err != nil || run.ID != "" {
			return err
		}
	}
	if runtime.GOOS == "windows" { // which removes no file that is open
		return nil
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	im.c.say("nothing was imported, so the new store at %s was removed again", path)
	return im.store.Close()
}

// placeToImport is place also for a store that is yet to be made.
func (c *cli) placeToImport() (at place, missing bool, err error) {
	given := c.store
	if given == "" {
		given = os.Getenv(envStore)
	}
	scheme, path, err := splitScheme(given)
	if err != nil {
		return place{}, false, err
	}
	info, err := os.Stat(path)
	switch {
	case given == "":
	case errors.Is(err, fs.ErrNotExist):
		if scheme == "" {
			scheme = sqliteKind
		}
		return place{path, scheme}, true, nil
	case err == nil && scheme != "" && info.Mode().IsRegular() && info.Size() == 0: // somebody makes it just now
		return place{path, scheme}, true, nil
	}
	at, err = c.place()
	return at, false, err
}
