package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/internal/inflow"
	"error-check-gate/internal/ordercheck"
)

// post sends one delivery, and returns the response's status and time.
func (s *stack) post(id string) (status int, answered time.Time) {
	s.t.Helper()
	body, err := inflow.NewWebhookBody(inflow.FormDocumented, "salesOrder.updated", id, time.Now())
	require.NoError(s.t, err)
	status, _ = s.send(body, http.Header{
		"Content-Type":         {"application/json"},
		inflow.SignatureHeader: {inflow.Sign(s.keys[0], body)},
	})
	return status, time.Now()
}

func (s *stack) send(body []byte, header http.Header) (status int, answer map[string]string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url,
		bytes.NewReader(body))
	if !assert.NoError(s.t, err) {
		return 0, nil
	}
	for name, values := range header {
		for _, value := range values {
			request.Header.Add(name, value)
		}
	}
	response, err := http.DefaultClient.Do(request)
	if !assert.NoError(s.t, err) {
		return 0, nil
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	assert.NoError(s.t, err)
	return response.StatusCode, decodeAnswer(s.t, data)
}

// decodeAnswer decodes a response. Each is a JSON object of strings.
func decodeAnswer(t testing.TB, data []byte) (answer map[string]string) {
	t.Helper()
	assert.NoError(t, json.Unmarshal(data, &answer), "%s", data)
	return answer
}

// get requests another path of the ingress.
func (s *stack) get(path string) (status int) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet,
		strings.TrimSuffix(s.url, "/webhook/inflow")+path, http.NoBody)
	require.NoError(s.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	return response.StatusCode
}

// becomes waits until the ingress responds to path with status.
func (s *stack) becomes(path string, status int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		return s.get(path) == status
	}, waitFor, tick, "%s does not respond with %d", path, status)
}

// postAccepted posts until the delivery is accepted, as InFlow does. On a busy machine, the ingress
// may ask for a retry.
func (s *stack) postAccepted(id string) (answered time.Time) {
	s.t.Helper()
	assert.Eventually(s.t, func() bool {
		status, at := s.post(id)
		answered = at
		return status == http.StatusOK
	}, waitFor, tick)
	return answered
}

// deliver posts one delivery for each order, several at a time. Each must be accepted.
func (s *stack) deliver(ids []string) {
	s.t.Helper()
	var senders sync.WaitGroup
	next := make(chan string)
	for range 8 {
		senders.Go(func() {
			for id := range next {
				s.postAccepted(id)
			}
		})
	}
	for _, id := range ids {
		next <- id
	}
	close(next)
	senders.Wait()
}

// postAll posts one delivery for each order, all at the same time. If until is not nil, it repeats
// this until the channel is closed. It returns the time of each order's last 200. Whenever more
// orders have a 200, it calls answered with their number.
func (s *stack) postAll(ids []string, until <-chan struct{},
	answered func(int)) map[string]time.Time {
	s.t.Helper()
	var mu sync.Mutex
	var posting sync.WaitGroup
	answers := map[string]time.Time{}
	took := func(id string) {
		mu.Lock()
		defer mu.Unlock()
		_, again := answers[id]
		answers[id] = time.Now()
		if !again {
			answered(len(answers))
		}
	}
	for _, id := range ids {
		posting.Go(func() {
			body, err := inflow.NewWebhookBody(inflow.FormDocumented, "salesOrder.updated", id,
				time.Now())
			if !assert.NoError(s.t, err) {
				return
			}
			for again := true; again; {
				// No response is fine: the ingress may be dead.
				if answer, err := inflow.PostWebhook(s.t.Context(), s.url,
					inflow.Sign(s.keys[0], body), body); err == nil && answer.Accepted() {
					took(id)
				}
				again = until != nil
				select {
				case <-until:
					again = false
				default:
				}
			}
		})
	}
	posting.Wait()
	return answers
}

// signal sends n deliveries in one signal, without the ingress.
func (s *stack) signal(id string, n int) {
	s.t.Helper()
	deliveries := make([]ordercheck.Delivery, n)
	for i := range deliveries {
		deliveries[i] = ordercheck.Delivery{Event: "salesOrder.updated", ReceivedAt: time.Now()}
	}
	require.NoError(s.t, s.temporal.SignalWorkflow(s.t.Context(), ordercheck.WorkflowID(id), "",
		ordercheck.SignalWebhookDelivered, deliveries))
}
