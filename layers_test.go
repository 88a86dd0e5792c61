package checkpoint_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/flowlog/checkpoint"

// layers says which of our packages a package may import: arrows point down only.
var layers = map[string][]string{
	"driver":            nil,
	"driver/drivertest": {"driver"},
	"memory":            {"driver"},
	"sqlite":            {"driver", "internal/fileid"},
	"bolt":              {"driver", "internal/fileid"},
	"log/delta":         nil,
	"log/segment":       nil,
	"log":               {"driver", "log/delta", "log/segment"},
	"compaction":        {"driver", "log"},
	"internal/archive":  {"log"},
	"internal/fileid":   nil,
	"internal/jsonscan": nil,
	"statediff":         {"internal/jsonscan"},
	"":                  {"driver", "log", "memory", "sqlite", "bolt", "compaction", "statediff", "internal/archive", "internal/jsonscan"},
	"flowgraphstore":    {"", "internal/jsonscan"},
	"bench/workload":    nil,
	"bench":             {"", "flowgraphstore", "compaction", "bench/workload"},
	"cmd/flowlog":       {"", "flowgraphstore", "compaction", "statediff", "internal/archive"},
}

// TestLayers holds the arrows between the packages, and what they may not import
// from elsewhere.
func TestLayers(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	require.NoError(t, err)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		name := ours(pkg.ImportPath)
		if strings.HasPrefix(name, "cmd/flowlog/internal/") {
			name = "cmd/flowlog"
		}
		allowed, known := layers[name]
		require.True(t, known, "package %q has no place in the layers: give it one in this test", name)
		for _, imp := range pkg.Imports {
			require.NotEqual(t, "log", imp, "%s imports the standard log; use log/slog", pkg.ImportPath)
			require.False(t, strings.Contains(imp, "testify"), "%s links testify", pkg.ImportPath)
			if imp != module && !strings.HasPrefix(imp, module+"/") || strings.HasPrefix(ours(imp), "cmd/flowlog/internal/") {
				continue
			}
			require.True(t, slices.Contains(allowed, ours(imp)), "%s imports %s: that arrow does not point down", pkg.ImportPath, imp)
		}
	}
}

func ours(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}
