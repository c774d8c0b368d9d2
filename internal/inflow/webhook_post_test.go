package inflow_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
)

func TestPostWebhook(t *testing.T) {
	verifier := newVerifier(t, secretText)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/webhook", http.StatusTemporaryRedirect)
			return
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, http.MethodPost, r.Method)
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		if _, err := verifier.Verify(r.Header.Values(inflow.SignatureHeader), body); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, err = io.WriteString(w, strings.Repeat("x", 10_000))
		assert.NoError(t, err)
	}))
	defer receiver.Close()
	body := []byte(signedBody)

	answer, err := inflow.PostWebhook(t.Context(), receiver.URL+"/webhook",
		inflow.Sign(parseSecret(t, secretText), body), body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.True(t, answer.Accepted())
	assert.Len(t, answer.Body, 4<<10)

	answer, err = inflow.PostWebhook(t.Context(), receiver.URL+"/webhook",
		inflow.Sign(parseSecret(t, otherText), body), body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	assert.False(t, answer.Accepted())

	answer, err = inflow.PostWebhook(t.Context(), receiver.URL+"/moved", "", body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusTemporaryRedirect, answer.StatusCode,
		"InFlow does not follow redirects")
	assert.False(t, answer.Accepted())
}

func TestPostWebhookErrors(t *testing.T) {
	for _, target := range []string{"", "127.0.0.1:5000", "/webhook/inflow", "ftp://127.0.0.1/",
		"http://", "http://a b/", "://"} {
		_, err := inflow.PostWebhook(t.Context(), target, "", nil)
		require.ErrorContains(t, err, "URL is not complete", target)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	_, err := inflow.PostWebhook(t.Context(), closed.URL, "", nil)
	require.ErrorContains(t, err, "send the webhook")

	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		<-release
	}))
	defer silent.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = inflow.PostWebhook(ctx, silent.URL, "", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
