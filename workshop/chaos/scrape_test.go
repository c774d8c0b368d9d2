package chaos_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	scrapeEvery = 100 * time.Millisecond
	// scrapeLimit is the timeout of a scrape. It is much longer than any answer takes. The
	// connection to a killed process breaks at once.
	scrapeLimit = time.Minute
)

// scraper requests the pages for monitoring repeatedly, as Prometheus and Kubernetes do.
type scraper struct {
	client http.Client

	mu       sync.Mutex
	answered int
	away     int // requests to a process that was dead
	slowest  time.Duration
	faults   []string
}

func newScraper() *scraper {
	return &scraper{client: http.Client{
		Timeout: scrapeLimit, Transport: &http.Transport{DisableKeepAlives: true},
	}}
}

// run requests a page until ctx is done. If unready is true, the page may answer 503.
func (s *scraper) run(ctx context.Context, page string, unready bool) {
	for pause(ctx, scrapeEvery) {
		began := time.Now()
		status, body, err := s.ask(ctx, page)
		took := time.Since(began)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		switch {
		case os.IsTimeout(err):
			s.faults = append(s.faults, fmt.Sprintf("%s: no answer within %v", page, scrapeLimit))
		case err != nil:
			s.away++
		case status == http.StatusOK, unready && status == http.StatusServiceUnavailable:
			s.answered++
			s.slowest = max(s.slowest, took)
		default:
			s.faults = append(s.faults, fmt.Sprintf("%s: status %d: %.200s", page, status, body))
		}
		s.mu.Unlock()
	}
}

func (s *scraper) ask(ctx context.Context, page string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// scrape requests all pages of both processes until stop is called.
func (g *gate) scrape(ctx context.Context) (s *scraper, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	s = newScraper()
	var running sync.WaitGroup
	for _, server := range []string{g.ingressAdmin, g.workerAdmin} {
		for _, path := range []string{"/metrics", "/livez", "/readyz"} {
			running.Go(func() { s.run(ctx, "http://"+server+path, path == "/readyz") })
		}
	}
	for _, path := range []string{"/livez", "/readyz"} {
		running.Go(func() { s.run(ctx, "http://"+g.ingressAddr+path, path == "/readyz") })
	}
	return s, func() {
		cancel()
		running.Wait()
	}
}
