package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// removeCompact removes what a Reclaim has left that did not come to its end.
func (b *Backend) removeCompact() error {
	if err := os.Remove(b.path + compactSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what an unfinished Reclaim left: %w", err)
	}
	return nil
}

const compactSuffix = ".compact"
