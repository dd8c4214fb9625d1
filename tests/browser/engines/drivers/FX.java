import javafx.application.Application;
import javafx.scene.Scene;
import javafx.scene.web.WebView;
import javafx.stage.Stage;

/** Opens a page in JavaFX's WebView and stays until it is ended: FX URL. */
public class FX extends Application {
    public void start(Stage stage) {
        WebView view = new WebView();
        stage.setScene(new Scene(view, 800, 600));
        stage.show();
        view.getEngine().load(getParameters().getRaw().get(0));
    }

    public static void main(String[] args) {
        launch(args);
    }
}
