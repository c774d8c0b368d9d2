package signin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
)

// eachRequest returns a function that gives every request a peer of its own.
func eachRequest() func(*http.Request) string {
	var requests atomic.Int64
	return func(*http.Request) string { return fmt.Sprint(requests.Add(1)) }
}

// numbered returns one of many addresses at a known domain.
func numbered(i int) string { return fmt.Sprintf("n%d@ours.example", i) }

// browserless asks for a link without a connection, because connections would be the slowest part.
func (d *desk) browserless(address, next string) *httptest.ResponseRecorder {
	form := url.Values{"email": {address}, "next": {next}}
	request := httptest.NewRequestWithContext(
		context.Background(), http.MethodPost, "/sign-in", strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	d.Config.Handler.ServeHTTP(answer, request)
	return answer
}
