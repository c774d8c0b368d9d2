package notify

import (
	"net/url"
	"strings"
	"time"

	"error-check-gate/internal/desklink"
	"error-check-gate/internal/inflow"
)

// linker makes all links of a notice except the one to InFlow.
type linker struct {
	uiURL, namespace string
	deskURL          string
	signer           *desklink.Signer
}

// toDesk returns the URL of an order's page at the desk, signed for a receiver. It is empty if
// there is no desk.
func (l *linker) toDesk(salesOrderID, receiver string, at time.Time) string {
	page := l.page(salesOrderID)
	if page == "" || l.signer == nil {
		return page
	}
	key, err := l.signer.Sign(salesOrderID, receiver, at)
	if err != nil {
		// an invalid id; the plain link, which asks for a sign-in, is better than no mail
		return page
	}
	return page + "?k=" + key
}

// page returns the unsigned URL of an order's page at the desk, which asks for a sign-in. It is
// empty if there is no desk.
func (l *linker) page(salesOrderID string) string {
	if l.deskURL == "" {
		return ""
	}
	return strings.TrimRight(l.deskURL, "/") + "/orders/" + url.PathEscape(salesOrderID)
}

// toRun returns the URL of the order's run in Temporal's Web UI, or "" if the Web UI's address is
// not set.
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

// forChat returns the link that chats get besides InFlow's. It is not signed because a chat has
// many readers.
func (l *linker) forChat(notice *Notice) string {
	if page := l.page(notice.Report.SalesOrderID); page != "" {
		return page
	}
	return l.toRun(notice.WorkflowID, notice.RunID)
}

// forSoftware returns all links, for JSON.
func (l *linker) forSoftware(notice *Notice) links {
	return links{
		Order: inflow.OrderPageURL(notice.Report.SalesOrderID),
		Desk:  l.page(notice.Report.SalesOrderID),
		Run:   l.toRun(notice.WorkflowID, notice.RunID),
	}
}
