"""Opens a page in QtWebEngine, of any version from 5.7 on, and stays until it is ended: qtwebengine.py URL."""
import sys
from PyQt5.QtCore import QUrl
from PyQt5.QtWidgets import QApplication
from PyQt5.QtWebEngineWidgets import QWebEngineView

app = QApplication(sys.argv[:1])
view = QWebEngineView()
view.resize(800, 600)
view.show()  # The timers of a hidden page are slow.
view.load(QUrl(sys.argv[1]))
sys.exit(app.exec_())
