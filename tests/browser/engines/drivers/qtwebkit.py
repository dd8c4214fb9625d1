"""Opens a page in QtWebKit and stays until it is ended: qtwebkit.py URL."""
import sys
from PyQt5.QtCore import QUrl
from PyQt5.QtWidgets import QApplication
from PyQt5.QtWebKitWidgets import QWebPage

app = QApplication(sys.argv)
page = QWebPage()


def first_load(ok):
    # Later loads are frames that the page has stopped.
    page.loadFinished.disconnect(first_load)
    if not ok:
        app.exit(3)


page.loadFinished.connect(first_load)
page.mainFrame().load(QUrl(sys.argv[1]))
sys.exit(app.exec_())
