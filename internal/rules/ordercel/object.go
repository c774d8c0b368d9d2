package ordercel

import (
	"fmt"
	"reflect"
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"error-check-gate/internal/inflow"
)

// objectType is a type of the order model: fields with typed accessors, no reflection.
type objectType struct {
	cel    *types.Type
	fields map[string]*field
	names  []string // of fields, sorted
}

// field is one field of an objectType.
type field struct {
	name string
	doc  string
	// include is the value of InFlow's include parameter that makes InFlow send the field. It is
	// empty if InFlow always sends the field.
	include string
	accessor
}

// accessor holds the type of a field and reads the field. get and isSet take a pointer to the
// object's Go value.
type accessor struct {
	cel   *types.Type
	get   func(any) (ref.Val, error)
	isSet func(any) bool
}

// objectOf returns the type with that name and those fields.
func objectOf(name string, fields ...field) *objectType {
	o := &objectType{
		cel:    types.NewObjectType(name),
		fields: make(map[string]*field, len(fields)),
	}
	for _, f := range fields {
		o.fields[f.name] = &f
		o.names = append(o.names, f.name)
	}
	slices.Sort(o.names)
	return o
}

func named(name, doc string, a accessor) field { return field{name: name, doc: doc, accessor: a} }

// included returns a field that InFlow sends only if the request names the include.
func included(name, include, doc string, a accessor) field {
	return field{name: name, doc: doc, include: include, accessor: a}
}

// access returns an accessor of a field of *T. read returns nil for null.
func access[T any](t *types.Type, read func(*T) ref.Val, isSet func(*T) bool) accessor {
	return accessor{
		cel: t,
		get: func(target any) (ref.Val, error) {
			p, ok := target.(*T)
			if !ok || p == nil {
				return nil, errNull
			}
			if value := read(p); value != nil {
				return value, nil
			}
			return nil, errNull
		},
		isSet: func(target any) bool {
			p, ok := target.(*T)
			return ok && p != nil && isSet(p)
		},
	}
}

// amount reads an amount. Null reads as 0; has() tells them apart.
func amount[T any](read func(*T) inflow.Amount) accessor {
	return access(DecimalType,
		func(p *T) ref.Val { return Decimal{read(p).Decimal} },
		func(p *T) bool { return read(p).Valid })
}

// text reads a string. Null reads as "".
func text[T any, S ~string](read func(*T) S) accessor {
	return access(types.StringType,
		func(p *T) ref.Val { return types.String(read(p)) },
		func(p *T) bool { return read(p) != "" })
}

func truth[T any, B ~bool](read func(*T) B) accessor {
	return access(types.BoolType,
		func(p *T) ref.Val { return types.Bool(read(p)) },
		func(p *T) bool { return bool(read(p)) })
}

// flag reads a bool, or null if InFlow did not send it.
func flag[T any](read func(*T) *bool) accessor {
	return access(types.BoolType,
		func(p *T) ref.Val {
			if b := read(p); b != nil {
				return types.Bool(*b)
			}
			return nil
		},
		func(p *T) bool { return read(p) != nil })
}

// date reads a date, or null if there is none.
func date[T any](read func(*T) inflow.Time) accessor {
	return access(types.TimestampType,
		func(p *T) ref.Val {
			if t := read(p); !t.IsZero() {
				return types.Timestamp{Time: t.Time}
			}
			return nil
		},
		func(p *T) bool { return !read(p).IsZero() })
}

func number[T any](read func(*T) int) accessor {
	return access(types.IntType,
		func(p *T) ref.Val { return types.Int(read(p)) },
		func(*T) bool { return true })
}

// object reads an object. A missing one reads as an object with a nil pointer.
func object[T, U any](o *objectType, read func(*T) *U) accessor {
	return access(o.cel,
		func(p *T) ref.Val { return &objectValue{o, read(p)} },
		func(p *T) bool { return read(p) != nil })
}

// list reads a list. Null reads as an empty list.
func list[T any](element *types.Type, read func(*T) ref.Val, size func(*T) int) accessor {
	return access(types.NewListType(element),
		func(p *T) ref.Val { return read(p) },
		func(p *T) bool { return size(p) > 0 })
}

// objects reads a slice as a list of pointers to its elements.
func objects[T, E any](o *objectType, read func(*T) []E) accessor {
	return list(o.cel, func(p *T) ref.Val {
		elements := read(p)
		values := make([]ref.Val, len(elements))
		for i := range elements {
			values[i] = &objectValue{o, &elements[i]}
		}
		return types.NewRefValList(types.DefaultTypeAdapter, values)
	}, func(p *T) int { return len(read(p)) })
}

func texts[T any](read func(*T) []string) accessor {
	return list(types.StringType,
		func(p *T) ref.Val { return types.NewStringList(types.DefaultTypeAdapter, read(p)) },
		func(p *T) int { return len(read(p)) })
}

// objectValue is an object in expressions. Its pointer may be nil: functions accept such an object,
// but reading one of its fields is an error.
type objectValue struct {
	of      *objectType
	pointer any
}

func (v *objectValue) Type() ref.Type { return v.of.cel }

func (v *objectValue) Value() any { return v.pointer }

// Equal compares identity: an object is equal only to itself.
func (v *objectValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(*objectValue)
	return types.Bool(ok && v.pointer == o.pointer)
}

// Get reads a field whose type was unknown when the expression was compiled.
func (v *objectValue) Get(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(index)
	}
	f, found := v.of.fields[string(name)]
	if !found {
		return types.NewErr("no field %q in %s", string(name), v.of.cel.TypeName())
	}
	value, err := f.get(v.pointer)
	if err != nil {
		return types.WrapErr(f.explain(v.of, err))
	}
	return value
}

// IsSet implements has().
func (v *objectValue) IsSet(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(index)
	}
	f, found := v.of.fields[string(name)]
	if !found {
		return types.NewErr("no field %q in %s", string(name), v.of.cel.TypeName())
	}
	return types.Bool(f.isSet(v.pointer))
}

func (v *objectValue) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return v.of.cel
	}
	return types.NewErr("%s does not convert to %s", v.of.cel.TypeName(), t.TypeName())
}

func (v *objectValue) ConvertToNative(t reflect.Type) (any, error) {
	if value := reflect.ValueOf(v.pointer); value.IsValid() && value.Type().AssignableTo(t) {
		return v.pointer, nil
	}
	return nil, fmt.Errorf("%s does not convert to %v", v.of.cel.TypeName(), t)
}

// errNull is returned for reading a null field, or a field of a null object.
var errNull = nullError{}

type nullError struct{}

func (nullError) Error() string { return "null" }

// NullError says that an expression read a null field, or a field of a null object.
type NullError struct{ Type, Field string }

func (e *NullError) Error() string {
	return fmt.Sprintf("%s of %s is null, or %s itself is: test it with has() first",
		e.Field, e.Type, e.Type)
}

func (f *field) explain(of *objectType, err error) error {
	if err == errNull { //nolint:errorlint // never wrapped
		return &NullError{Type: of.cel.TypeName(), Field: f.name}
	}
	return err
}

// Type describes a type of the order model.
type Type struct {
	Name   string
	Fields []Field
}

// Field describes a field of a [Type].
type Field struct {
	Name, Type string
	// Doc is empty if the name says enough.
	Doc string
	// Include is the value of InFlow's include parameter that makes InFlow send the field. It is
	// empty if InFlow always sends the field.
	Include string
}

// Types lists the types of the order model, the order first.
func Types() []Type {
	var out []Type
	for _, o := range modelTypes {
		t := Type{Name: o.cel.TypeName()}
		for _, name := range o.names {
			f := o.fields[name]
			t.Fields = append(t.Fields, Field{Name: name, Type: f.cel.String(), Doc: f.doc,
				Include: f.include})
		}
		out = append(out, t)
	}
	return out
}
