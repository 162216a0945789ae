"""Who is who in the demonstration school. All people are invented."""

PROJECTS = {
    "web-developer": (
        "Intégrez la maquette d’un site vitrine",
        "Dynamisez une page web avec JavaScript",
        "Construisez l’API d’un site d’avis",
        "Créez une application web avec React",
        "Optimisez le référencement d’un site",
    ),
    "python-developer": (
        "Programmez un jeu d’échecs en ligne de commande",
        "Extrayez les prix d’une librairie en ligne",
        "Développez une application avec Django",
        "Créez une API sécurisée avec FastAPI",
        "Testez et déployez une application Python",
    ),
    "data-analyst": (
        "Analysez les ventes d’une librairie",
        "Créez et interrogez une base immobilière avec SQL",
        "Réalisez un tableau de bord dans Power BI",
        "Étudiez la sous-nutrition dans le monde",
        "Faites une étude de marché",
    ),
    "ai-engineer": (
        "Préparez des données pour un organisme de santé publique",
        "Segmentez les clients d’un site marchand",
        "Implémentez un modèle de scoring",
        "Analysez des avis grâce au traitement du langage",
        "Déployez un modèle dans le cloud",
    ),
}
MENTORS = {
    "web-developer": ("Claire Moreau", "Hugo Lefèvre", "Inès Benali"),
    "python-developer": ("Mathieu Girard", "Sarah N’Diaye", "Étienne Roussel"),
    "data-analyst": ("Camille Fontaine", "Karim Haddad", "Lucie Marchand"),
    "ai-engineer": ("Antoine Delmas", "Jade Nguyen", "Olivier Perrin"),
}
FIRST_NAMES = (
    "Adèle Agathe Alexandre Alice Amandine Amina Anaïs Arthur Aurélie Baptiste Bastien Benoît Cécile Charlotte Chloé "
    "Clara Clément Coralie Damien Élise Elsa Emma Fabien Fanny Fatou Félix Florian Gabriel Gaëlle Guillaume Hélène "
    "Imane Jérémie Julie Justine Kévin Laura Léa Léo Lina Louis Maëlle Manon Margaux Marius Maxime Mehdi Nadia Nathan "
    "Noémie Océane Pauline Quentin Rachid Romain Salomé Sofia Solène Tanguy Théo Thomas Valentin Victor Yanis Zoé"
)
LAST_NAMES = (
    "Adam Arnaud Aubert Barbier Benoit Bertin Blanchard Bonnet Bourgeois Boyer Brun Carpentier Charpentier Chevalier "
    "Colin Da-Silva Deschamps Diallo Dupuis Fabre Fleury Gaillard Garnier Gauthier Giraud Guérin Hamdi Hubert Jacquet "
    "Joly Lacroix Laurent Leclerc Legrand Lemoine Leroux Mallet Masson Mercier Meunier Meyer Morin Noël Olivier Payet "
    "Picard Poirier Prévost Renard Renaud Rey Rivière Robin Roche Sanchez Schmitt Tessier Traoré Vasseur Vidal Weber"
)
SPOKEN_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi")
FUNDINGS = ("Financé par un organisme tiers", "En alternance", "Auto-financement")
NOTES = (
    ("mentor", "Votre mentor est souffrant : une nouvelle date vous est proposée."),
    ("platform", "La visioconférence était en panne ce jour-là."),
    ("force_majeure", "Coupure d’électricité dans tout le quartier."),
    ("student", "L’étudiant a changé d’emploi du temps sans prévenir l’école."),
    ("", "La session n’a pas eu lieu, la raison reste à préciser."),
)
