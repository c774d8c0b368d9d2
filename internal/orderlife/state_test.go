package orderlife_test

import (
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/ordercheck"
	"error-check-gate/internal/orderlife"
)

func TestEmptyListsAreNotCarried(t *testing.T) {
	emptied := orderlife.State{
		Resolved: orderlife.Gone{
			Findings: []ordercheck.Finding{},
		}, Lifted: orderlife.Gone{Findings: []ordercheck.Finding{}},
	}
	want, err := json.Marshal(&orderlife.State{})
	require.NoError(t, err)
	got, err := json.Marshal(&emptied)
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(got))
}

// TestEveryFieldOfTheStateIsCarried fails for a field that the JSON of the state leaves out.
func TestEveryFieldOfTheStateIsCarried(t *testing.T) {
	var carried orderlife.Start
	fill(t, reflect.ValueOf(&carried).Elem(), "Start", new(int))
	data, err := json.Marshal(carried)
	require.NoError(t, err)
	var arrived orderlife.Start
	require.NoError(t, json.Unmarshal(data, &arrived))
	assert.Equal(t, carried, arrived)
}

// fill sets every field and element within v to a different value, none of them zero.
func fill(t *testing.T, v reflect.Value, path string, n *int) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(int64(*n), 0).UTC()))
		return
	case decimal.Decimal:
		v.Set(reflect.ValueOf(decimal.MustNew(int64(*n), 0)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			at := path + "." + field.Name
			require.True(t, field.IsExported(), "%s is not exported, so it is not carried", at)
			require.NotEqual(t, "-", field.Tag.Get("json"), "%s is not carried", at)
			fill(t, v.Field(i), at, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), path, n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), path+"[]", n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, path+" key", n)
		fill(t, value, path+" value", n)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(path + strconv.Itoa(*n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Bool:
		v.SetBool(true)
	default:
		require.Fail(t, "the test cannot fill a "+v.Type().String(), path)
	}
}
