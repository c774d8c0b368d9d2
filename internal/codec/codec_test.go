package codec_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"error-check-gate/internal/codec"
	"error-check-gate/internal/option"
	"error-check-gate/internal/ordercheck"
)

// newKey returns an entry of PAYLOAD_KEYS with a random key.
func newKey(id string) string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return id + ":" + base64.StdEncoding.EncodeToString(secret)
}

func keys(t *testing.T, entries ...string) *codec.Keys {
	t.Helper()
	parsed, err := codec.ParseKeys(strings.Join(entries, ","))
	require.NoError(t, err)
	return parsed
}

func TestParseKeysReportsAllFaultsWithoutKeys(t *testing.T) {
	good := newKey("good")
	secret := strings.TrimPrefix(good, "good:")
	_, err := codec.ParseKeys(strings.Join([]string{
		good, "plain", secret, "a b:" + secret, good,
		"short:" + base64.StdEncoding.EncodeToString([]byte("too short")),
		"bad:not base64!", "same:" + secret, strings.Repeat("x", 65) + ":" + secret,
	}, ","))
	require.Error(t, err)
	for _, want := range []string{
		`key 2 of 9 is the word "plain", which must come first`,
		"key 3 of 9 has no id", "key 4 of 9 has an invalid id",
		"key 5 of 9 has the id good, which is taken",
		"key 6 of 9 (short) has 9 bytes instead of 32",
		"key 7 of 9 (bad) is not base64: make one with 'openssl rand -base64 32'",
		"key 8 of 9 (same) is in the list twice", "key 9 of 9 has an invalid id: write 1 to 64",
	} {
		assert.ErrorContains(t, err, want)
	}
	assert.NotContains(t, err.Error(), secret)
	assert.NotContains(t, err.Error(), "not base64!")
	for _, empty := range []string{" ", ",\n", "plain"} {
		_, err := codec.ParseKeys(empty)
		require.ErrorContains(t, err, "has no key")
	}
}

func TestReadKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	first, second := newKey("2026-02"), newKey("2026-01")
	require.NoError(t, os.WriteFile(file, []byte("\ufeff"+first+"\r\n\n  "+second+"\n"), 0o600))
	got, err := codec.ReadKeys("", file)
	require.NoError(t, err)
	assert.Equal(t, []string{"2026-02", "2026-01"}, got.IDs())
	assert.True(t, got.Encrypts())
	got, err = codec.ReadKeys("", "")
	require.NoError(t, err)
	assert.False(t, got.Encrypts())
	assert.False(t, (*codec.Keys)(nil).Encrypts())
	assert.False(t, keys(t, "plain", first).Encrypts())

	for variable, tc := range map[string][2]string{
		codec.KeysVariable: {first, file}, codec.KeysFileVariable: {"", file + "x"},
	} {
		_, err := codec.ReadKeys(tc[0], tc[1])
		var fault option.Fault
		require.ErrorAs(t, err, &fault)
		assert.Equal(t, variable, fault.Field)
		assert.NotContains(t, err.Error(), first[8:])
	}
	large := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(large, bytes.Repeat([]byte("x"), 64<<10+1), 0o600))
	_, err = codec.ReadKeys("", large)
	require.ErrorContains(t, err, "is it the right file")
}

func TestKeysNeverPrint(t *testing.T) {
	entry := newKey("2026-01")
	k := keys(t, entry)
	raw, err := base64.StdEncoding.DecodeString(entry[8:])
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v %s", k, k, k, k), fmt.Sprintf("%+v %#v", *k, *k), k.LogValue().String(),
	} {
		assert.NotContains(t, text, entry[8:])
		assert.NotContains(t, text, strings.Trim(fmt.Sprintf("%d", raw), "[]"))
	}
	assert.Equal(t, "codec.Keys(2026-01)", k.String())
}

func TestEveryKindOfPayloadComesBack(t *testing.T) {
	dc := codec.NewDataConverter(keys(t, newKey("2026-01")))
	for name, value := range map[string]any{
		"text": "Kitchen & Co", "report": ordercheck.Report{OrderNumber: "SO-1",
			Customer: "Kitchen & Co"},
		"bytes": []byte{0, 1, 2}, "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			payload, err := dc.ToPayload(value)
			require.NoError(t, err)
			assert.Equal(t, map[string][]byte{"encoding": []byte("binary/encrypted"),
				"encryption-key-id": []byte("2026-01")}, payload.GetMetadata())
			assert.NotContains(t, string(payload.GetData()), "Kitchen")
			plain, err := converter.GetDefaultDataConverter().ToPayload(value)
			require.NoError(t, err)
			var back converter.RawValue
			require.NoError(t, dc.FromPayload(payload, &back))
			assert.True(t, proto.Equal(plain, back.Payload()), "a RawValue holds the decrypted payload")
			again, err := dc.ToPayload(value)
			require.NoError(t, err)
			assert.NotEqual(t, payload.GetData(), again.GetData(), "a new nonce each time")
		})
	}
	payload, err := dc.ToPayload(nil)
	require.NoError(t, err)
	var nothing *string
	require.NoError(t, dc.FromPayload(payload, &nothing))
	assert.Nil(t, nothing)
}

func TestRotation(t *testing.T) {
	older, newer := newKey("2026-01"), newKey("2026-02")
	write := func(entries ...string) *commonpb.Payload {
		payload, err := codec.NewDataConverter(keys(t, entries...)).ToPayload("report")
		require.NoError(t, err)
		return payload
	}
	steps := [][]string{{"plain", older}, {older}, {older, newer}, {newer, older}, {newer},
		{"plain", newer}}
	for i, writer := range steps {
		payload := write(writer...)
		for j, reader := range steps {
			var text string
			err := codec.NewDataConverter(keys(t, reader...)).FromPayload(payload, &text)
			// Processes take a step one by one, so processes before and after a step must be able
			// to read each other's payloads.
			if j == i || j == i-1 || j == i+1 {
				require.NoError(t, err, "written by %d, read by %d", i, j)
				assert.Equal(t, "report", text)
			}
		}
	}
	var text string
	err := codec.NewDataConverter(keys(t, newer)).FromPayload(write(older), &text)
	var undecryptable *codec.DecryptError
	require.ErrorAs(t, err, &undecryptable)
	assert.Equal(t, "2026-01", undecryptable.KeyID)
	require.ErrorContains(t, err,
		`no key "2026-01": add it to PAYLOAD_KEYS or PAYLOAD_KEYS_FILE, `+
			`after the first key if there is one, and restart gate`)
	err = codec.NewDataConverter(nil).FromPayload(write(older), &text)
	require.ErrorAs(t, err, &undecryptable, "a process without keys says so too")
}

// TestAllWrittenWith checks events as they are in a history.
func TestAllWrittenWith(t *testing.T) {
	older, newer := newKey("2026-01"), newKey("2026-02")
	written := func(entries ...string) *commonpb.Payload {
		payload, err := codec.NewDataConverter(keys(t, entries...)).ToPayload("report")
		require.NoError(t, err)
		return payload
	}
	for name, tc := range map[string]struct {
		input, memo *commonpb.Payload
		keyIDs      []string
	}{
		"one key":     {written(older), written(older, newer), []string{"2026-01"}},
		"another":     {written(newer), written(newer, older), []string{"2026-02"}},
		"both":        {written(newer), written(older), nil},
		"plain":       {written("plain", newer), written("plain", newer), []string{""}},
		"not all yet": {written(older), written("plain", older), nil},
	} {
		t.Run(name, func(t *testing.T) {
			text := written("plain", older)
			event := &historypb.HistoryEvent{
				Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
					WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
						Input:  &commonpb.Payloads{Payloads: []*commonpb.Payload{tc.input}},
						Memo:   &commonpb.Memo{Fields: map[string]*commonpb.Payload{"x": tc.memo}},
						Header: &commonpb.Header{Fields: map[string]*commonpb.Payload{"trace": text}},
						SearchAttributes: &commonpb.SearchAttributes{
							IndexedFields: map[string]*commonpb.Payload{"x": text}},
					},
				}}
			for _, id := range []string{"2026-01", "2026-02", ""} {
				all, err := codec.AllWrittenWith(t.Context(), id, event)
				require.NoError(t, err)
				assert.Equal(t, slices.Contains(tc.keyIDs, id), all, "%q", id)
			}
		})
	}
	for id, entries := range map[string][]string{"2026-02": {newer, older}, "": {"plain", newer}} {
		found, err := codec.WritingKeyID(codec.NewDataConverter(keys(t, entries...)))
		require.NoError(t, err)
		assert.Equal(t, id, found)
	}
}

func TestPlainPayloadsStayReadable(t *testing.T) {
	for name, k := range map[string]*codec.Keys{"no keys": nil, "keys": keys(t, newKey("2026-01"))} {
		t.Run(name, func(t *testing.T) {
			plain, err := converter.GetDefaultDataConverter().ToPayload([]string{"an operator's"})
			require.NoError(t, err)
			var back []string
			require.NoError(t, codec.NewDataConverter(k).FromPayload(plain, &back))
			assert.Equal(t, []string{"an operator's"}, back)
		})
	}
	payload, err := codec.NewDataConverter(nil).ToPayload("x")
	require.NoError(t, err)
	assert.Equal(t, "json/plain", string(payload.GetMetadata()["encoding"]))
}

func TestAPayloadThatWasChangedIsRefused(t *testing.T) {
	k := keys(t, newKey("2026-01"), newKey("2026-02"))
	dc := codec.NewDataConverter(k)
	for name, change := range map[string]func(*commonpb.Payload){
		"data":       func(p *commonpb.Payload) { p.Data[len(p.GetData())-1] ^= 1 },
		"nonce":      func(p *commonpb.Payload) { p.Data[0] ^= 1 },
		"cut":        func(p *commonpb.Payload) { p.Data = p.GetData()[:5] },
		"empty":      func(p *commonpb.Payload) { p.Data = nil },
		"another id": func(p *commonpb.Payload) { p.Metadata[codec.MetadataKeyID] = []byte("2026-02") },
		"no id":      func(p *commonpb.Payload) { delete(p.Metadata, codec.MetadataKeyID) },
		"a bad id":   func(p *commonpb.Payload) { p.Metadata[codec.MetadataKeyID] = []byte("\x1b[31m") },
	} {
		t.Run(name, func(t *testing.T) {
			payload, err := dc.ToPayload("x")
			require.NoError(t, err)
			change(payload)
			var text string
			err = dc.FromPayload(payload, &text)
			var undecryptable *codec.DecryptError
			require.ErrorAs(t, err, &undecryptable)
			assert.NotContains(t, err.Error(), "\x1b")
		})
	}
}

func TestTextOfErrorsIsEncrypted(t *testing.T) {
	k := keys(t, newKey("2026-01"))
	failed := temporal.NewNonRetryableApplicationError("order of Kitchen & Co", "InflowUnauthorized",
		errors.New("cause at Kitchen & Co"), "detail of Kitchen & Co")
	failure := codec.NewFailureConverter(k).ErrorToFailure(failed)
	assert.NotContains(t, failure.String(), "Kitchen")
	assert.Equal(t, "InflowUnauthorized", failure.GetApplicationFailureInfo().GetType(),
		"what operators and alerts go by")
	back := codec.NewFailureConverter(k).FailureToError(failure)
	assert.ErrorContains(t, back, "order of Kitchen & Co")
	assert.ErrorContains(t, errors.Unwrap(back), "cause at Kitchen & Co")
	assert.Contains(t, codec.NewFailureConverter(nil).ErrorToFailure(failed).String(), "Kitchen",
		"without keys, the failure is not encrypted")
}

// TestWhatEncryptionAdds checks that encryption adds less than 200 bytes. Temporal limits a
// payload to 2 MiB, and package ordercheck limits a digest to 1900 KiB before encryption.
func TestWhatEncryptionAdds(t *testing.T) {
	k := keys(t, newKey(strings.Repeat("x", 64)))
	plain := &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")},
		Data: make([]byte, 1900<<10)}
	encrypted, err := codec.New(k).Encode([]*commonpb.Payload{plain})
	require.NoError(t, err)
	assert.Less(t, proto.Size(encrypted[0])-proto.Size(plain), 200)
}
