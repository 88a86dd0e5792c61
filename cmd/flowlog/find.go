package main

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint"
)

// envStore names the store where no flag does.
const envStore = "FLOWLOG_STORE"

// scheme may stand before the path of a store.
const scheme = "sqlite:"

// open opens the store for looking only.
func (c *cli) open() (*checkpoint.SQLiteStore, error) {
	path, err := c.path()
	if err != nil {
		return nil, err
	}
	return openToLook(path, c)
}

func openToLook(path string, c *cli) (*checkpoint.SQLiteStore, error) {
	store, err := checkpoint.NewSQLiteStore(path, checkpoint.WithReadOnly(), checkpoint.WithBusyTimeout(c.wait))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("there is no store at %s; name another with --store, or make one with `flowlog demo`", path)
	}
	return store, err
}

// openToCompact opens the store for compacting it. It is looked at first: opening it
// to write would make one where there is none.
func (c *cli) openToCompact() (*checkpoint.SQLiteStore, error) {
	path, err := c.path()
	if err != nil {
		return nil, err
	}
	look, err := openToLook(path, c)
	if err != nil {
		return nil, err
	}
	if err := look.Close(); err != nil {
		return nil, err
	}
	return checkpoint.NewSQLiteStore(path, checkpoint.WithoutCompaction(), checkpoint.WithBusyTimeout(c.wait))
}

// path returns the path of the store that the flag or the environment names, or
// of the only one that lies where stores usually do.
func (c *cli) path() (string, error) {
	for _, given := range []string{c.store, os.Getenv(envStore)} {
		if given == "" {
			continue
		}
		path := strings.TrimPrefix(given, scheme)
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			return path, nil
		}
		return only(stores(path), path)
	}
	return only(stores(usualFolders()...), "., ./flowlog-demo and ./data")
}

// usualFolders are where a store is looked for.
func usualFolders() []string { return []string{".", demoFolder, "data"} }

func only(paths []string, where string) (string, error) {
	switch len(paths) {
	case 0:
		return "", usage("there is no store in %s; name one with --store PATH or %s, or make one with `flowlog demo`", where, envStore)
	case 1:
		return paths[0], nil
	}
	return "", usage("there are several stores: %s; choose one with --store PATH or %s", strings.Join(paths, ", "), envStore)
}

// stores returns the files in the folders that are stores.
func stores(folders ...string) []string {
	var found []string
	for _, folder := range folders {
		entries, _ := os.ReadDir(folder) // a folder that can't be read has none for us
		for _, e := range entries {
			path := filepath.Join(folder, e.Name())
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && isStore(path) {
				found = append(found, path)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// How a SQLite file begins (https://www.sqlite.org/fileformat.html). The command
// only reads here before it opens a store, and never while it has one open.
const (
	sqliteMagic   = "SQLite format 3\x00"
	appIDOffset   = 68
	sqliteHeader  = 100
	applicationID = 0x666c6f67
)

// isStore reports whether a file is a flowlog store, going by its first bytes.
func isStore(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var header [sqliteHeader]byte
	if _, err := io.ReadFull(f, header[:]); err != nil || string(header[:len(sqliteMagic)]) != sqliteMagic {
		return false
	}
	switch binary.BigEndian.Uint32(header[appIDOffset:]) {
	case applicationID:
		return true
	case 0:
		return isStoreInWAL(path + "-wal")
	}
	return false
}

// The write-ahead log: a header, then frames of a header and a page each.
const (
	walHeader   = 32
	walPageSize = 8
	frameHeader = 24
)

// isStoreInWAL reports whether a write-ahead log makes its database a flowlog
// store: the pages of one that was made a moment ago, or whose program was killed,
// are not in the database itself yet.
func isStoreInWAL(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var header [walHeader]byte
	if _, err := io.ReadFull(f, header[:]); err != nil {
		return false
	}
	size := int64(binary.BigEndian.Uint32(header[walPageSize:]))
	if size < 512 || size > 64<<10 {
		return false
	}
	var frame [frameHeader + sqliteHeader]byte
	for at := int64(walHeader); ; at += frameHeader + size {
		if _, err := f.ReadAt(frame[:], at); err != nil {
			return false
		}
		firstPage := binary.BigEndian.Uint32(frame[:]) == 1
		if firstPage && binary.BigEndian.Uint32(frame[frameHeader+appIDOffset:]) == applicationID {
			return true
		}
	}
}
