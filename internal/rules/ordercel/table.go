package ordercel

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// tableValue is a table as a map from key to row.
type tableValue struct {
	table *Table
	row   *objectType
}

var _ traits.Mapper = (*tableValue)(nil)

// Find implements the index and, with Contains, the operator in.
func (t *tableValue) Find(key ref.Val) (ref.Val, bool) {
	text, ok := key.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(key), false
	}
	cells, found := t.table.Row(string(text))
	if !found {
		return nil, false
	}
	row := tableRow(cells)
	return &objectValue{t.row, &row}, true
}

// Get implements the index. A key that is not in the table is an error.
func (t *tableValue) Get(key ref.Val) ref.Val {
	row, found := t.Find(key)
	if found {
		return row
	}
	if types.IsUnknownOrError(row) {
		return row
	}
	return types.NewErr("table %s has no such row: test it with in first", t.table.Name)
}

// Contains implements the operator in.
func (t *tableValue) Contains(key ref.Val) ref.Val {
	row, found := t.Find(key)
	if !found && row != nil && types.IsUnknownOrError(row) {
		return row
	}
	return types.Bool(found)
}

// Iterator iterates over the keys.
func (t *tableValue) Iterator() traits.Iterator {
	return types.NewStringList(types.DefaultTypeAdapter, t.table.Keys).Iterator()
}

// Size returns the number of keys.
func (t *tableValue) Size() ref.Val { return types.Int(len(t.table.Keys)) }

func (t *tableValue) Equal(other ref.Val) ref.Val { return types.Bool(t == other) }

func (t *tableValue) Type() ref.Type { return types.MapType }

func (t *tableValue) Value() any { return t }

func (t *tableValue) ConvertToType(to ref.Type) ref.Val {
	return types.NewErr("a table does not convert to %s", to.TypeName())
}

func (t *tableValue) ConvertToNative(to reflect.Type) (any, error) {
	return nil, fmt.Errorf("a table does not convert to %v", to)
}
