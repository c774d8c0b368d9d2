package notify

import (
	"net/url"
	"strings"
	"time"

	"error-check-gate/internal/desklink"
	"error-check-gate/internal/inflow"
)

// linker makes the links of a notice, besides the one to InFlow.
type linker struct {
	uiURL, namespace string
	deskURL          string
	signer           *desklink.Signer
}

// toDesk returns an order's page at the desk, signed for a receiver; empty if there is no desk.
func (l *linker) toDesk(salesOrderID, receiver string, at time.Time) string {
	page := l.page(salesOrderID)
	if page == "" || l.signer == nil {
		return page
	}
	key, err := l.signer.Sign(salesOrderID, receiver, at)
	if err != nil {
		return page // an id that no run has; a link that asks for a sign-in is better than no mail
	}
	return page + "?k=" + key
}

// page returns an order's page at the desk, which asks for a sign-in; empty if there is no desk.
func (l *linker) page(salesOrderID string) string {
	if l.deskURL == "" {
		return ""
	}
	return strings.TrimRight(l.deskURL, "/") + "/orders/" + url.PathEscape(salesOrderID)
}

// toRun returns the order's run in Temporal's Web UI; empty if that has no address.
func (l *linker) toRun(workflowID, runID string) string {
	if l.uiURL == "" || workflowID == "" {
		return ""
	}
	address := strings.TrimRight(l.uiURL, "/") + "/namespaces/" + url.PathEscape(l.namespace) +
		"/workflows/" + url.PathEscape(workflowID)
	if runID != "" {
		address += "/" + url.PathEscape(runID) + "/user-metadata"
	}
	return address
}

// forChat returns the one link that a chat has. A chat has many readers, so it is not signed.
func (l *linker) forChat(notice *Notice) string {
	if page := l.page(notice.Report.SalesOrderID); page != "" {
		return page
	}
	return l.toRun(notice.WorkflowID, notice.RunID)
}

// forSoftware returns all links.
func (l *linker) forSoftware(notice *Notice) links {
	return links{
		Order: inflow.OrderPageURL(notice.Report.SalesOrderID), Desk: l.page(notice.Report.SalesOrderID),
		Run: l.toRun(notice.WorkflowID, notice.RunID),
	}
}
