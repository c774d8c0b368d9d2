package telemetry_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// takesCallback lists functions whose callback runs while the metrics are read, under locks that
// every metric of the process needs.
var takesCallback = []string{
	"RegisterCallback", "WithInt64Callback", "WithFloat64Callback", "NewGaugeFunc", "NewCounterFunc",
	"NewUntypedFunc",
}

// callableThere lists functions that only read memory. Add a function only if neither it nor
// anything that it calls waits, locks or records a metric. Otherwise, let a separate goroutine
// ask, and keep the answer in an atomic or a poll.Value.
var callableThere = []string{
	// of metrics
	"Observe", "ObserveInt64", "ObserveFloat64", "WithAttributes", "String", "priorityLabel",
	"Load", "Get", // of atomics, and of poll.Value
	"min", "len", "int", "int64", "float64", "Itoa", "Seconds", "AsDuration", "UnixMilli", // of values
	"temporalError", // ingress: poll.Value's Get
	"remaining",     // worker: reads an atomic
}

// TestCallbacksOnlyRead checks that callbacks only read memory. A callback that called Temporal
// once stopped whole processes: Temporal's client records metrics too, so it waited for the lock
// under which the callback ran.
func TestCallbacksOnlyRead(t *testing.T) {
	found := 0
	files := token.NewFileSet()
	require.NoError(t, filepath.WalkDir("../..",
		func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && path != "../.." && strings.HasPrefix(entry.Name(), ".") {
				return filepath.SkipDir
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(node ast.Node) bool {
				call, ok := node.(*ast.CallExpr)
				if !ok || !slices.Contains(takesCallback, called(call)) {
					return true
				}
				found++
				inPlace := false
				for _, argument := range call.Args {
					if callback, ok := argument.(*ast.FuncLit); ok {
						inPlace = true
						checkCallback(t, files, callback)
					}
				}
				assert.True(t, inPlace, "%s: write the callback in place, so that this test sees it",
					files.Position(call.Pos()))
				return true
			})
			return nil
		}))
	assert.GreaterOrEqual(t, found, 4, "callbacks are looked for in the wrong place")
}

func checkCallback(t *testing.T, files *token.FileSet, callback *ast.FuncLit) {
	t.Helper()
	ast.Inspect(callback.Body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CallExpr:
			name := called(node)
			// a message's field
			read := slices.Contains(callableThere, name) || strings.HasPrefix(name, "Get")
			assert.True(t, read, "%s: a metric's callback calls %s; it may only read values kept elsewhere",
				files.Position(node.Pos()), name)
		case *ast.SelectStmt, *ast.SendStmt, *ast.GoStmt, *ast.DeferStmt:
			assert.Fail(t, "a metric's callback may only read", "%s", files.Position(node.Pos()))
		case *ast.UnaryExpr:
			assert.NotEqual(t, token.ARROW, node.Op, "%s: a metric's callback waits",
				files.Position(node.Pos()))
		}
		return true
	})
}

// called returns the name of the called function or method.
func called(call *ast.CallExpr) string {
	switch function := call.Fun.(type) {
	case *ast.Ident:
		return function.Name
	case *ast.SelectorExpr:
		return function.Sel.Name
	default:
		return ""
	}
}
